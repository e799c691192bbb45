/*
 * small.c - one small detection whose numbers are printed, for old_cpu.sh
 * Usage: small [best|portable|avx2|avx512]; where the CPU lacks them, prints "unsupported" and why
 */
#include "support.h"

int main(int count, char **arguments) {
    static int16_t pixels[SIDE * SIDE];
    uldor_model *model;
    uldor_session *session;
    uldor_result *result;
    uldor_session_options options = eager_options();
    uldor_session_info about = {.struct_size = sizeof about};
    uldor_result_info info = {.struct_size = sizeof info};
    draw_slice(pixels, SIDE, SIDE);
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    const char *const names[] = {"best", "portable", "avx2", "avx512"}; /* in the order of ULDOR_INSTRUCTIONS_* */
    for (int32_t i = 0; count > 1 && i < 4; i++)
        if (!strcmp(arguments[1], names[i])) options.instructions = i;
    open_fixture(&model, NULL, 1);
    uldor_status status = uldor_session_create(model, &options, &session);
    if (status == ULDOR_ERROR_UNSUPPORTED) {
        printf("unsupported: %s\n", uldor_last_error());
        uldor_model_free(model);
        return 0;
    }
    if (status < 0 || uldor_session_get_info(session, &about) < 0 ||
        uldor_session_detect(session, &image, &result) < 0 || uldor_result_get_info(result, &info) < 0) {
        printf("error: %s\n", uldor_last_error());
        return 1;
    }
    printf("instructions %s\n", about.instructions);
    printf("count %d\n", info.count);
    for (int32_t i = 0; i < info.count; i++) {
        uldor_detection d = {.struct_size = sizeof d};
        if (uldor_result_get(result, i, &d) < 0) return 1;
        printf("%.9g %.9g %.9g %.9g %.9g %.9g\n", (double)d.score, d.x1, d.y1, d.x2, d.y2, d.area_px);
    }
    uldor_result_free(result);
    uldor_session_free(session);
    uldor_model_free(model);
    return 0;
}
