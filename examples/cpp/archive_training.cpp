// archive_training.cpp - how a host trains from its own archive: slices and annotations come from callbacks, nothing from files
//
// Usage: archive_training WEIGHTS_OUT [EPOCHS [THREADS]]
//
// The archive is drawn: a body with a lesion of random place and size in each slice, measured by its two RECIST
// diameters. With a few epochs of so little nothing is learnt; it shows the calls. An archive of DICOM files is the same with
// another `Archive`.
#include "uldor.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace {

struct Slice {
    std::vector<int16_t> pixels; // HU, row by row
    double recist[8];            // the long diameter's ends, then the short one's
    int64_t patient;
};

// libuldor's questions may come from background threads, several at once: nothing here changes any more. A callback must
// neither throw nor call the library.
class Archive {
public:
    static constexpr int side = 128, images = 12, train_images = 8;

    Archive() {
        std::mt19937 random(7);
        std::uniform_real_distribution<double> part(0, 1);
        for (int index = 0; index < images; index++) {
            const double x = 44 + 40 * part(random), y = 50 + 28 * part(random), a = 7 + 7 * part(random), b = 0.7 * a;
            Slice slice{{}, {x - a, y, x + a, y, x, y - b, x, y + b}, index};
            for (int row = 0; row < side; row++)
                for (int column = 0; column < side; column++) {
                    const double px = column + 0.5, py = row + 0.5;
                    const bool lesion = std::hypot((px - x) / a, (py - y) / b) < 1;
                    const bool body = std::hypot((px - 64) / 58, (py - 64) / 46) < 1;
                    slice.pixels.push_back(static_cast<int16_t>((lesion ? 110 : body ? 40 : -1000) + 20 * part(random)));
                }
            slices.push_back(std::move(slice));
        }
    }

    uldor_source source() const {
        uldor_source source;
        uldor::check(uldor_source_init(&source, sizeof source));
        source.user = const_cast<Archive *>(this);
        source.count = images;
        source.describe = &Archive::describe;
        source.annotate = &Archive::annotate;
        source.read = &Archive::read;
        return source;
    }

    // The slice's pixels where they lie.
    void fill(size_t index, uldor_image *image) const {
        image->type = ULDOR_INT16;
        image->width = image->height = side;
        image->data = slices[index].pixels.data();
        image->data_bytes = slices[index].pixels.size() * sizeof(int16_t);
    }

private:
    std::vector<Slice> slices;

    static const Slice &at(void *user, int64_t index) {
        return static_cast<Archive *>(user)->slices[static_cast<size_t>(index)];
    }

    static int32_t describe(void *user, int64_t index, uldor_source_image *image) noexcept {
        image->patient = at(user, index).patient;
        image->split = index < train_images ? ULDOR_SPLIT_TRAIN : ULDOR_SPLIT_VALIDATION;
        image->width = image->height = side;
        image->lesions = 1;
        image->spacing_x_mm = image->spacing_y_mm = 1.5;
        image->slice_interval_mm = 5;
        return 0;
    }

    static int32_t annotate(void *user, int64_t index, int32_t, uldor_source_lesion *lesion) noexcept {
        lesion->has_recist = 1; // box and pseudo mask follow from the diameters
        for (int i = 0; i < 8; i++) lesion->recist[i] = at(user, index).recist[i];
        return 0;
    }

    // An archive that decodes gives its buffer back in `release`, by the token; here the pixels stay.
    static int32_t read(void *user, int64_t index, uldor_image *image, void **) noexcept {
        static_cast<Archive *>(user)->fill(static_cast<size_t>(index), image);
        return 0;
    }
};

std::unique_ptr<uldor_dataset, uldor::Free> open(const Archive &archive) {
    const uldor_source source = archive.source();
    uldor_dataset *data = nullptr;
    uldor::check(uldor_dataset_open_callbacks(&source, nullptr, &data));
    return std::unique_ptr<uldor_dataset, uldor::Free>(data);
}

std::unique_ptr<uldor_trainer, uldor::Free> begin(const uldor_dataset *data, const char *output, int epochs, int threads,
                                                  uldor_training_fn progress, void *user) {
    uldor_trainer_options options;
    uldor::check(uldor_trainer_options_init(&options, sizeof options));
    options.architecture = "narrow";
    options.output_path = output;
    options.epochs = epochs;
    options.threads = threads;
    options.progress = progress;
    options.progress_user = user;
    uldor_trainer *trainer = nullptr;
    uldor::check(uldor_trainer_create(data, data, &options, &trainer));
    return std::unique_ptr<uldor_trainer, uldor::Free>(trainer);
}

// A user who closes the window after the second step, once: `user` is whether that was.
int32_t progress(void *user, const uldor_training_event *event) noexcept {
    if (event->kind == ULDOR_TRAINING_EPOCH)
        std::printf("epoch %d/%d: loss %.4f, validation %.4f\n", event->epoch + 1, event->epochs, event->loss,
                    event->validation_loss);
    bool &was_closed = *static_cast<bool *>(user);
    if (event->kind != ULDOR_TRAINING_STEP || event->total_steps != 2 || was_closed) return 0;
    was_closed = true;
    return 1;
}

int run(int count, char **arguments) {
    if (count < 2 || count > 4) {
        std::fprintf(stderr, "usage: %s WEIGHTS_OUT [EPOCHS [THREADS]]\n", arguments[0]);
        return 2;
    }
    const Archive archive;
    const auto data = open(archive);
    uldor_dataset_info about{};
    about.struct_size = sizeof about;
    uldor::check(uldor_dataset_get_info(data.get(), &about));
    std::printf("%lld images, %lld of them to train on\n", static_cast<long long>(about.images),
                static_cast<long long>(about.images_of_split[ULDOR_SPLIT_TRAIN]));

    bool was_closed = false;
    const int epochs = count > 2 ? std::atoi(arguments[2]) : 2, threads = count > 3 ? std::atoi(arguments[3]) : 0;
    const auto trainer = begin(data.get(), arguments[1], epochs, threads, progress, &was_closed);
    uldor_status status = uldor_trainer_run(trainer.get(), 0);
    if (status == ULDOR_ERROR_CANCELLED) {
        // Nothing is lost: the run goes on behind its last whole step.
        std::printf("cancelled after the second step; on it goes\n");
        status = uldor_trainer_run(trainer.get(), 0);
    }
    uldor::check(status);

    // What it wrote is an ordinary weights file.
    const uldor::Model model(arguments[1]);
    uldor::Session session(model);
    uldor_image image;
    uldor::check(uldor_image_init(&image, sizeof image));
    archive.fill(Archive::images - 1, &image);
    image.spacing_x_mm = image.spacing_y_mm = 1.5;
    std::printf("%s: %d findings in the last slice\n", arguments[1], session.detect(image).count());
    return 0;
}

} // namespace

int main(int count, char **arguments) {
    try {
        return run(count, arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
