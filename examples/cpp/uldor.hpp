// uldor.hpp - libuldor for C++17: handles that free themselves, errors as exceptions
//
// An example to copy, not a part of the library: the C header is the interface, and this shows how little a C++ host
// needs on top of it.
#ifndef ULDOR_HPP
#define ULDOR_HPP

#include <uldor.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace uldor {

class Error : public std::runtime_error {
public:
    Error(uldor_status status, const char *message) : std::runtime_error(message), status(status) {}
    const uldor_status status;
};

// The message belongs to the thread that made the call, so it is taken at once and travels with the exception.
inline void check(uldor_status status) {
    if (status < 0) throw Error(status, uldor_last_error());
}

struct Free {
    void operator()(uldor_model *handle) const { uldor_model_free(handle); }
    void operator()(uldor_session *handle) const { uldor_session_free(handle); }
    void operator()(uldor_result *handle) const { uldor_result_free(handle); }
    void operator()(uldor_dataset *handle) const { uldor_dataset_free(handle); }
    void operator()(uldor_trainer *handle) const { uldor_trainer_free(handle); }
};

// What one detection found. Immutable: any thread may read it.
class Result {
public:
    explicit Result(uldor_result *handle) : handle(handle) {
        info.struct_size = sizeof info;
        check(uldor_result_get_info(handle, &info));
    }
    int count() const { return info.count; }

    uldor_detection operator[](int index) const {
        uldor_detection detection{};
        detection.struct_size = sizeof detection;
        check(uldor_result_get(handle.get(), index, &detection));
        return detection;
    }

    // height x width bytes, 0 or 1: an overlay of the slice.
    std::vector<uint8_t> mask(int index) const {
        std::vector<uint8_t> bitmap(static_cast<size_t>(info.width) * static_cast<size_t>(info.height));
        check(uldor_result_get_mask(handle.get(), index, bitmap.data(), bitmap.size(), 0));
        return bitmap;
    }

    // Polygons as x, y pairs, for drawing; outer ones and holes.
    std::vector<std::vector<double>> contours(int index) const {
        int32_t count = 0;
        check(uldor_result_get_contour_count(handle.get(), index, &count));
        std::vector<std::vector<double>> all(static_cast<size_t>(count));
        for (int32_t i = 0; i < count; i++) {
            size_t points = 0;
            check(uldor_result_get_contour(handle.get(), index, i, nullptr, 0, &points));
            auto &polygon = all[static_cast<size_t>(i)];
            polygon.resize(2 * points);
            check(uldor_result_get_contour(handle.get(), index, i, polygon.data(), points, &points));
        }
        return all;
    }

private:
    std::unique_ptr<uldor_result, Free> handle;
    uldor_result_info info{};
};

// Weights: loaded once, shared by all threads.
class Model {
public:
    explicit Model(const std::string &path) {
        uldor_model *loaded = nullptr;
        check(uldor_model_load_file(path.c_str(), nullptr, &loaded));
        handle.reset(loaded);
    }
    uldor_model_info info() const {
        uldor_model_info about{};
        about.struct_size = sizeof about;
        check(uldor_model_get_info(handle.get(), &about));
        return about;
    }
    std::string class_name(int index) const {
        const char *name = nullptr;
        check(uldor_model_get_class_name(handle.get(), index, &name));
        return name;
    }
    uldor_model *get() const { return handle.get(); }

private:
    std::unique_ptr<uldor_model, Free> handle;
};

inline uldor_session_options default_options() {
    uldor_session_options options;
    check(uldor_session_options_init(&options, sizeof options));
    return options;
}

// One stream of work: used by one thread at a time, cancelled from any. Not movable, since the callback points here.
class Session {
public:
    // Returns true to cancel. It is called by the thread that detects and must not throw: C code lies between.
    using Progress = std::function<bool(double fraction, const char *stage)>;

    explicit Session(const Model &model, uldor_session_options options = default_options(), Progress progress = {})
        : progress(std::move(progress)) {
        if (this->progress) {
            options.progress = &Session::forward_progress;
            options.progress_user = this;
        }
        uldor_session *created = nullptr;
        check(uldor_session_create(model.get(), &options, &created));
        handle.reset(created);
    }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    Result detect(const uldor_image &image) {
        uldor_result *found = nullptr;
        check(uldor_session_detect(handle.get(), &image, &found));
        return Result(found);
    }
    void cancel() { check(uldor_session_cancel(handle.get())); }

private:
    static int32_t forward_progress(void *user, double fraction, const char *stage) noexcept {
        return static_cast<Session *>(user)->progress(fraction, stage) ? 1 : 0;
    }
    Progress progress;
    std::unique_ptr<uldor_session, Free> handle; // last, so that it goes before the callback that it may call
};

} // namespace uldor

#endif
