// pacs_host.cpp - how a viewer uses libuldor: two studies on two threads, one model, and a user who closes one of them
//
// Usage: pacs_host WEIGHTS [RAW WIDTH HEIGHT SPACING_MM]
//   RAW   16-bit signed Hounsfield units, row by row, without a header; without it a phantom is drawn
#include "uldor.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

namespace {

struct Slice {
    std::vector<int16_t> pixels;
    int width = 0, height = 0;
    double spacing_mm = 0;

    // A description of the pixels where they lie; the slice must outlive the call.
    uldor_image image() const {
        uldor_image image;
        uldor::check(uldor_image_init(&image, sizeof image));
        image.type = ULDOR_INT16;
        image.width = width;
        image.height = height;
        image.data = pixels.data();
        image.data_bytes = pixels.size() * sizeof(int16_t);
        image.spacing_x_mm = image.spacing_y_mm = spacing_mm;
        return image;
    }
};

// An ellipse of soft tissue in air, with a brighter disc in it.
Slice draw_phantom() {
    Slice slice;
    slice.width = slice.height = 256;
    slice.spacing_mm = 1.4;
    for (int y = 0; y < slice.height; y++)
        for (int x = 0; x < slice.width; x++) {
            double bx = (x + 0.5 - 128) / 110, by = (y + 0.5 - 128) / 80;
            double lx = (x + 0.5 - 160) / 12, ly = (y + 0.5 - 120) / 9;
            bool body = bx * bx + by * by < 1, lesion = lx * lx + ly * ly < 1;
            slice.pixels.push_back(static_cast<int16_t>(lesion ? 110 : body ? 40 + (x * 7 + y * 13) % 17 : -1000));
        }
    return slice;
}

Slice read_raw(const char *path, int width, int height, double spacing_mm) {
    if (width < 1 || height < 1 || width > 16384 || height > 16384) throw std::runtime_error("width, height: 1 to 16384");
    Slice slice;
    slice.width = width;
    slice.height = height;
    slice.spacing_mm = spacing_mm;
    slice.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height));
    std::ifstream file(path, std::ios::binary);
    auto bytes = static_cast<std::streamsize>(slice.pixels.size() * sizeof(int16_t));
    if (!file.read(reinterpret_cast<char *>(slice.pixels.data()), bytes))
        throw std::runtime_error(std::string(path) + ": cannot read " + std::to_string(bytes) + " bytes");
    return slice;
}

void print_findings(const uldor::Model &model, const uldor::Result &result) {
    std::printf("study A: %d findings\n", result.count());
    for (int i = 0; i < result.count() && i < 10; i++) {
        uldor_detection d = result[i];
        std::printf("  %-14s %.3f  box %6.1f %6.1f %6.1f %6.1f", model.class_name(d.class_index).c_str(),
                    static_cast<double>(d.score), d.x1, d.y1, d.x2, d.y2);
        if (d.flags & ULDOR_DETECTION_HAS_RECIST)
            std::printf("  %.1f x %.1f mm, %.0f mm2, %zu contours", d.long_mm, d.short_mm, d.area_mm2,
                        result.contours(i).size());
        std::printf("\n");
    }
}

// Lets the main thread wait until the other study is being worked on.
class Signal {
public:
    void set() {
        std::lock_guard<std::mutex> lock(mutex);
        is_set = true;
        changed.notify_all();
    }
    bool wait(std::chrono::seconds limit) {
        std::unique_lock<std::mutex> lock(mutex);
        return changed.wait_for(lock, limit, [this] { return is_set; });
    }

private:
    std::mutex mutex;
    std::condition_variable changed;
    bool is_set = false;
};

int run(int count, char **arguments) {
    if (count != 2 && count != 6) {
        std::fprintf(stderr, "usage: %s WEIGHTS [RAW WIDTH HEIGHT SPACING_MM]\n", arguments[0]);
        return 2;
    }
    const Slice slice = count == 2 ? draw_phantom()
                                   : read_raw(arguments[2], std::atoi(arguments[3]), std::atoi(arguments[4]),
                                              std::atof(arguments[5]));
    const uldor::Model model(arguments[1]);
    uldor_model_info info = model.info();
    std::printf("model: ResNet-%d, %d classes, %.1f million parameters\n", info.depth, info.classes,
                static_cast<double>(info.parameters) * 1e-6);

    // The cores are shared out among the studies by the host; each session starts no more than it is given.
    uldor_session_options options = uldor::default_options();
    options.threads = 1;

    // Study A: one slice, to its end. An exception must not leave the thread, so it is kept for the main thread.
    std::unique_ptr<uldor::Result> findings;
    std::string failure;
    std::thread study_a([&] {
        try {
            uldor::Session session(model, options);
            findings = std::make_unique<uldor::Result>(session.detect(slice.image()));
        } catch (const std::exception &error) {
            failure = error.what();
        }
    });

    // Study B: slice after slice, until the user closes it. cancel() stops a detection that runs; the flag catches the
    // moment between two of them, when there is nothing to cancel.
    Signal working;
    std::atomic<bool> closed{false};
    std::string last_message;
    uldor::Session session_b(model, options, [&](double, const char *) {
        working.set();
        return closed.load();
    });
    std::thread study_b([&] {
        try {
            for (;;) session_b.detect(slice.image());
        } catch (const uldor::Error &error) {
            last_message = std::string(uldor_status_name(error.status)) + ": " + error.what();
        }
    });

    bool started = working.wait(std::chrono::seconds(60));
    closed = true;
    auto asked = std::chrono::steady_clock::now();
    session_b.cancel();
    study_b.join();
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - asked;
    study_a.join();

    std::printf("study B: closed by the user, stopped after %.1f ms: %s\n", took.count(), last_message.c_str());
    if (!failure.empty() || !findings) throw std::runtime_error("study A: " + failure);
    print_findings(model, *findings);
    return started ? 0 : 1;
}

} // namespace

int main(int count, char **arguments) {
    try {
        return run(count, arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "pacs_host: %s\n", error.what());
        return 1;
    }
}
