/* The convolutions of ResNet-101-FPN Mask R-CNN at 512 x 512, 1000 proposals, 100 detections; `times` each is run. */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdint.h>

typedef struct layer {
    const char *name;
    int32_t batch, size, channels, out_channels, kernel, stride, times;
    int32_t residual; /* 1: of the output's size, 2: of half of it */
    int32_t dense;    /* maps whose channels lie together: DENSE_IN, DENSE_OUT or both; the others lie in groups */
} layer;

enum { DENSE_IN = 1, DENSE_OUT = 2, DENSE = 3 };

static const layer layers[] = {
    {"stem 7x7/2", 1, 512, 3, 64, 7, 2, 1, 0, DENSE},
    {"layer1 1x1 in", 1, 128, 64, 64, 1, 1, 1, 0, DENSE_IN},
    {"layer1 projection", 1, 128, 64, 256, 1, 1, 1, 0, DENSE_IN},
    {"layer1 1x1 in", 1, 128, 256, 64, 1, 1, 2, 0, 0},
    {"layer1 3x3", 1, 128, 64, 64, 3, 1, 3, 0, 0},
    {"layer1 1x1 out", 1, 128, 64, 256, 1, 1, 3, 1, 0},
    {"layer2 1x1 in", 1, 128, 256, 128, 1, 1, 1, 0, 0},
    {"layer2 1x1 in", 1, 64, 512, 128, 1, 1, 3, 0, 0},
    {"layer2 projection/2", 1, 128, 256, 512, 1, 2, 1, 0, 0},
    {"layer2 3x3/2", 1, 128, 128, 128, 3, 2, 1, 0, 0},
    {"layer2 3x3", 1, 64, 128, 128, 3, 1, 3, 0, 0},
    {"layer2 1x1 out", 1, 64, 128, 512, 1, 1, 4, 1, 0},
    {"layer3 1x1 in", 1, 64, 512, 256, 1, 1, 1, 0, 0},
    {"layer3 1x1 in", 1, 32, 1024, 256, 1, 1, 22, 0, 0},
    {"layer3 projection/2", 1, 64, 512, 1024, 1, 2, 1, 0, 0},
    {"layer3 3x3/2", 1, 64, 256, 256, 3, 2, 1, 0, 0},
    {"layer3 3x3", 1, 32, 256, 256, 3, 1, 22, 0, 0},
    {"layer3 1x1 out", 1, 32, 256, 1024, 1, 1, 23, 1, 0},
    {"layer4 1x1 in", 1, 32, 1024, 512, 1, 1, 1, 0, 0},
    {"layer4 1x1 in", 1, 16, 2048, 512, 1, 1, 2, 0, 0},
    {"layer4 projection/2", 1, 32, 1024, 2048, 1, 2, 1, 0, 0},
    {"layer4 3x3/2", 1, 32, 512, 512, 3, 2, 1, 0, 0},
    {"layer4 3x3", 1, 16, 512, 512, 3, 1, 2, 0, 0},
    {"layer4 1x1 out", 1, 16, 512, 2048, 1, 1, 3, 1, 0},
    {"FPN inner P5", 1, 16, 2048, 256, 1, 1, 1, 0, 0},
    {"FPN inner P4", 1, 32, 1024, 256, 1, 1, 1, 2, 0},
    {"FPN inner P3", 1, 64, 512, 256, 1, 1, 1, 2, 0},
    {"FPN inner P2", 1, 128, 256, 256, 1, 1, 1, 2, 0},
    {"FPN 3x3 P2", 1, 128, 256, 256, 3, 1, 1, 0, DENSE_OUT},
    {"FPN 3x3 P3", 1, 64, 256, 256, 3, 1, 1, 0, DENSE_OUT},
    {"FPN 3x3 P4", 1, 32, 256, 256, 3, 1, 1, 0, DENSE_OUT},
    {"FPN 3x3 P5", 1, 16, 256, 256, 3, 1, 1, 0, DENSE_OUT},
    {"RPN 3x3 P2", 1, 128, 256, 256, 3, 1, 1, 0, DENSE_IN},
    {"RPN 3x3 P3", 1, 64, 256, 256, 3, 1, 1, 0, DENSE_IN},
    {"RPN 3x3 P4", 1, 32, 256, 256, 3, 1, 1, 0, DENSE_IN},
    {"RPN 3x3 P5", 1, 16, 256, 256, 3, 1, 1, 0, DENSE_IN},
    {"RPN 3x3 P6", 1, 8, 256, 256, 3, 1, 1, 0, DENSE_IN},
    {"RPN predictor P2", 1, 128, 256, 15, 1, 1, 1, 0, 0},
    {"fc6", 1000, 1, 12544, 1024, 1, 1, 1, 0, DENSE_IN},
    {"fc7", 1000, 1, 1024, 1024, 1, 1, 1, 0, 0},
    {"mask 3x3", 100, 14, 256, 256, 3, 1, 4, 0, 0},
    {"mask 2x2 transposed", 100, 14, 256, 256, 1, 1, 4, 0, 0},
    {"mask predictor", 100, 28, 256, 2, 1, 1, 1, 0, 0},
};

/*
 * Those whose gradients a training step takes, two images of 512 x 512, 512 regions an image, 128 of them with a mask: all but
 * the stem and layer1, which are frozen. A transposed convolution's weight gradient is that of the way back.
 */
static const layer trained_layers[] = {
    {"layer2 1x1 in", 2, 128, 256, 128, 1, 1, 1, 0, DENSE},
    {"layer2 1x1 in", 2, 64, 512, 128, 1, 1, 3, 0, DENSE},
    {"layer2 projection/2", 2, 128, 256, 512, 1, 2, 1, 0, DENSE},
    {"layer2 3x3/2", 2, 128, 128, 128, 3, 2, 1, 0, DENSE},
    {"layer2 3x3", 2, 64, 128, 128, 3, 1, 3, 0, DENSE},
    {"layer2 1x1 out", 2, 64, 128, 512, 1, 1, 4, 0, DENSE},
    {"layer3 1x1 in", 2, 64, 512, 256, 1, 1, 1, 0, DENSE},
    {"layer3 1x1 in", 2, 32, 1024, 256, 1, 1, 22, 0, DENSE},
    {"layer3 projection/2", 2, 64, 512, 1024, 1, 2, 1, 0, DENSE},
    {"layer3 3x3/2", 2, 64, 256, 256, 3, 2, 1, 0, DENSE},
    {"layer3 3x3", 2, 32, 256, 256, 3, 1, 22, 0, DENSE},
    {"layer3 1x1 out", 2, 32, 256, 1024, 1, 1, 23, 0, DENSE},
    {"layer4 1x1 in", 2, 32, 1024, 512, 1, 1, 1, 0, DENSE},
    {"layer4 1x1 in", 2, 16, 2048, 512, 1, 1, 2, 0, DENSE},
    {"layer4 projection/2", 2, 32, 1024, 2048, 1, 2, 1, 0, DENSE},
    {"layer4 3x3/2", 2, 32, 512, 512, 3, 2, 1, 0, DENSE},
    {"layer4 3x3", 2, 16, 512, 512, 3, 1, 2, 0, DENSE},
    {"layer4 1x1 out", 2, 16, 512, 2048, 1, 1, 3, 0, DENSE},
    {"FPN inner P5", 2, 16, 2048, 256, 1, 1, 1, 0, DENSE},
    {"FPN inner P4", 2, 32, 1024, 256, 1, 1, 1, 0, DENSE},
    {"FPN inner P3", 2, 64, 512, 256, 1, 1, 1, 0, DENSE},
    {"FPN inner P2", 2, 128, 256, 256, 1, 1, 1, 0, DENSE},
    {"FPN, RPN 3x3 P2", 2, 128, 256, 256, 3, 1, 2, 0, DENSE},
    {"FPN, RPN 3x3 P3", 2, 64, 256, 256, 3, 1, 2, 0, DENSE},
    {"FPN, RPN 3x3 P4", 2, 32, 256, 256, 3, 1, 2, 0, DENSE},
    {"FPN, RPN 3x3 P5", 2, 16, 256, 256, 3, 1, 2, 0, DENSE},
    {"RPN 3x3 P6", 2, 8, 256, 256, 3, 1, 1, 0, DENSE},
    {"RPN predictor P2", 2, 128, 256, 15, 1, 1, 1, 0, DENSE},
    {"fc6", 1024, 1, 12544, 1024, 1, 1, 1, 0, DENSE},
    {"fc7", 1024, 1, 1024, 1024, 1, 1, 1, 0, DENSE},
    {"mask 3x3", 256, 14, 256, 256, 3, 1, 4, 0, DENSE},
    {"mask 2x2/2 back", 256, 28, 256, 256, 2, 2, 1, 0, DENSE},
    {"mask predictor", 256, 28, 256, 2, 1, 1, 1, 0, DENSE},
};

#endif
