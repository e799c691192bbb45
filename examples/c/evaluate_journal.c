/* evaluate_journal.c - see evaluate_journal.h */
#include "evaluate_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "json_text.h"

static const char beginning[] = "{\"format\":\"uldor-evaluation-journal\",";

static int write_line(evaluate_journal *journal, const json_t *value, reason *why) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_TEXT_FLAGS);
    if (text == NULL) return reason_set(why, "not enough memory");
    size_t length = strlen(text);
    errno = 0;
    text[length] = '\n'; /* in place of the 0: the last byte to be written, so a line that has it is whole */
    bool done = fseeko(journal->stream, (off_t)journal->end, SEEK_SET) == 0 &&
                fwrite(text, 1, length + 1, journal->stream) == length + 1 && fflush(journal->stream) == 0;
    int error = errno;
    free(text);
    if (!done) return error != 0 ? reason_set_errno(why, error) : reason_set(why, "writing failed");
    journal->end += (int64_t)length + 1;
    return 0;
}

int evaluate_journal_sync(evaluate_journal *journal, reason *why) {
    clock_gettime(CLOCK_MONOTONIC, &journal->synced);
    return durable_sync(fileno(journal->stream), why);
}

static bool is_due(const evaluate_journal *journal) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - journal->synced.tv_sec > (now.tv_nsec < journal->synced.tv_nsec ? 1 : 0);
}

/* The first line of a new file, which is then found whatever happens. */
static int begin(evaluate_journal *journal, const char *path, const json_t *origin, reason *why) {
    if (write_line(journal, origin, why) != 0 || evaluate_journal_sync(journal, why) != 0) return -1;
    return durable_sync_entry(path, why);
}

/* What the journal was begun for must be what this run is for. */
static int compare(const json_t *begun, json_t *origin, reason *why) {
    const char *name;
    json_t *value;
    size_t length = 0;
    char text[sizeof why->text - 100] = "";
    json_object_foreach(origin, name, value) {
        const json_t *other = json_object_get(begun, name);
        if (other != NULL && json_equal(other, value)) continue;
        char *old = other != NULL ? json_dumps(other, JSON_ENCODE_ANY | JSON_TEXT_FLAGS) : NULL;
        char *new = json_dumps(value, JSON_ENCODE_ANY | JSON_TEXT_FLAGS);
        int count = snprintf(text + length, sizeof text - length, "%s%s: %s there, %s here", length > 0 ? "; " : "", name,
                             old != NULL ? old : "nothing", new != NULL ? new : "?");
        free(old), free(new);
        length += count > 0 ? (size_t)count : 0;
        if (length >= sizeof text) break;
    }
    return length == 0 ? 0 : reason_set(why, "this journal is of another run (%s); --restart begins anew", text);
}

/* Notes where an image's line begins. */
static int note(evaluate_journal *journal, const uldor_dataset *dataset, const char *line, size_t length, int64_t number,
                reason *why) {
    json_error_t error;
    int64_t image = 0;
    json_t *entry = json_loadb(line, length, 0, &error);
    const char *name = json_string_value(json_object_get(entry, "image"));
    if (name == NULL) {
        json_decref(entry);
        return reason_set(why, "line %lld is damaged; --restart begins anew", (long long)number);
    }
    /* One that is not of the data set was left out of it meanwhile. */
    if (uldor_dataset_find(dataset, name, &image) >= 0) {
        if (journal->places[image] < 0) journal->found++;
        journal->places[image] = journal->end;
    }
    json_decref(entry);
    return 0;
}

/* Reads the lines that are whole. */
static int read_lines(evaluate_journal *journal, json_t *origin, const uldor_dataset *dataset, reason *why) {
    char *line = NULL;
    size_t capacity = 0;
    int64_t number = 0;
    int status = 0;
    ssize_t length;
    while (status == 0 && (length = getline(&line, &capacity, journal->stream)) > 0) {
        bool whole = line[length - 1] == '\n' && memchr(line, 0, (size_t)length) == NULL;
        number++;
        if (!whole) {
            break;
        } else if (number == 1) {
            json_t *begun = json_loadb(line, (size_t)length, 0, NULL);
            status = begun == NULL ? reason_set(why, "line 1 is damaged; --restart begins anew") : compare(begun, origin, why);
            json_decref(begun);
        } else {
            status = note(journal, dataset, line, (size_t)length, number, why);
        }
        if (status == 0) journal->end += length;
    }
    if (status == 0 && ferror(journal->stream)) status = reason_set_errno(why, errno);
    free(line);
    return status;
}

/* What is left of a stream is zeros. */
static bool only_zeros(FILE *stream) {
    static const char zeros[4096];
    char block[sizeof zeros];
    size_t count;
    while ((count = fread(block, 1, sizeof block, stream)) > 0)
        if (memcmp(block, zeros, count) != 0) return false;
    return true;
}

/* Another file is not to be lost by a slip. `is_begun`: not nothing, nor what a power cut left of the first line, zeros after it. */
static int check_ours(FILE *stream, bool *is_begun, reason *why) {
    char text[sizeof beginning];
    size_t count = fread(text, 1, sizeof beginning - 1, stream), equal = 0;
    while (equal < count && text[equal] == beginning[equal]) equal++;
    *is_begun = equal == sizeof beginning - 1;
    bool is_ours = equal == count;
    if (!is_ours && fseeko(stream, (off_t)equal, SEEK_SET) == 0) is_ours = only_zeros(stream);
    if (ferror(stream)) return reason_set_errno(why, errno);
    return is_ours ? 0 : reason_set(why, "this is not a journal of uldor evaluate; it is not overwritten");
}

int evaluate_journal_open(evaluate_journal *journal, const char *path, json_t *origin, const uldor_dataset *dataset, bool restart,
                          reason *why) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    struct stat about;
    uldor_dataset_get_info(dataset, &info);
    *journal = (evaluate_journal){.places = malloc(((size_t)info.images + 1) * sizeof *journal->places)};
    if (journal->places == NULL) return reason_set(why, "not enough memory");
    for (int64_t i = 0; i < info.images; i++) journal->places[i] = -1;
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return reason_set_errno(why, errno);
    journal->stream = fdopen(descriptor, "r+b");
    if (journal->stream == NULL) {
        close(descriptor);
        return reason_set(why, "not enough memory");
    }
    if (fstat(descriptor, &about) != 0) return reason_set_errno(why, errno);
    if (!S_ISREG(about.st_mode)) return reason_set(why, "not a regular file: a journal cannot be kept there");
    /* A file system without locks is as good; only two runs at once would not be noticed. */
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return reason_set(why, "another process is writing this journal");
    bool is_begun;
    if (check_ours(journal->stream, &is_begun, why) != 0) return -1;
    rewind(journal->stream);
    if (is_begun && !restart && read_lines(journal, origin, dataset, why) != 0) return -1;
    if (ftruncate(descriptor, (off_t)journal->end) != 0) return reason_set_errno(why, errno);
    clock_gettime(CLOCK_MONOTONIC, &journal->synced);
    return journal->end == 0 ? begin(journal, path, origin, why) : 0;
}

bool evaluate_journal_has(const evaluate_journal *journal, int64_t image) { return journal->places[image] >= 0; }

int evaluate_journal_add(evaluate_journal *journal, int64_t image, const json_t *entry, reason *why) {
    int64_t place = journal->end;
    if (write_line(journal, entry, why) != 0) return -1;
    journal->places[image] = place;
    return is_due(journal) ? evaluate_journal_sync(journal, why) : 0;
}

json_t *evaluate_journal_read(evaluate_journal *journal, int64_t image, reason *why) {
    json_error_t error;
    json_t *entry = NULL;
    if (fseeko(journal->stream, (off_t)journal->places[image], SEEK_SET) != 0) reason_set_errno(why, errno);
    else if ((entry = json_loadf(journal->stream, JSON_DISABLE_EOF_CHECK, &error)) == NULL)
        reason_set(why, "the line at byte %lld is damaged (%s); --restart begins anew", (long long)journal->places[image],
                   error.text);
    return entry;
}

void evaluate_journal_close(evaluate_journal *journal) {
    reason ignored;
    if (journal->stream != NULL) {
        evaluate_journal_sync(journal, &ignored);
        fclose(journal->stream);
    }
    free(journal->places);
    *journal = (evaluate_journal){0};
}
