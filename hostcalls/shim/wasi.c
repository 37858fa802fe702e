/* Virtual WASI: what libc asks of the system is answered here, so that the finished module imports next to nothing.

   libc calls `__imported_wasi_snapshot_preview1_<name>`; defining such a symbol keeps the import out of the module. There are
   no files, no arguments, no sockets. Error numbers: WASI preview 1, type `errno`. */

#include <errno.h>
#include <unistd.h>

#include "shim.h"

enum { SUCCESS = 0, BADF = 8, INVAL = 28, NOENT = 44, NOSYS = 52, NOTCAPABLE = 76 };

#define WASI(name) int32_t __imported_wasi_snapshot_preview1_##name

/* ---- clocks, randomness: repeatable during the build, the host's afterwards ---- */

/* 2024-01-01T00:00:00Z. Time stands still during the build, so that nothing of it ends up in the module. */
static const uint64_t BUILD_TIME = 1704067200ULL * 1000000000ULL;

IMPORT_WASI(clock_time_get) int32_t host_clock_time_get(uint32_t id, uint64_t precision, uint64_t *time);

WASI(clock_time_get)(int32_t id, int64_t precision, uint64_t *time) {
    if (!vm_sealed) {
        *time = BUILD_TIME;
        return SUCCESS;
    }
    /* Hosts know the wall clock (0) and the monotonic one (1); CPU time becomes the latter. */
    return host_clock_time_get(id == 0 ? 0 : 1, (uint64_t)precision, time);
}

WASI(clock_res_get)(int32_t id, uint64_t *resolution) {
    UNUSED(id);
    *resolution = 1;
    return SUCCESS;
}

IMPORT_WASI(random_get) int32_t host_random_get(uint8_t *buffer, uint32_t size);

/* Hosts may refuse more at once (proxy-wasm-cpp-host does). */
enum { RANDOM_PIECE = 65536 };

WASI(random_get)(uint8_t *buffer, uint32_t size) {
    static uint64_t state = 0x9e3779b97f4a7c15ULL;
    for (uint32_t i = 0; !vm_sealed && i < size; i++) {
        state ^= state << 13; /* xorshift64 */
        state ^= state >> 7;
        state ^= state << 17;
        buffer[i] = (uint8_t)state;
    }
    while (vm_sealed && size) {
        uint32_t piece = size < RANDOM_PIECE ? size : RANDOM_PIECE;
        int32_t error = host_random_get(buffer, piece);
        if (error) {
            return error;
        }
        buffer += piece;
        size -= piece;
    }
    return SUCCESS;
}

/* ---- standard streams ---- */

typedef struct {
    const char *data;
    uint32_t size;
} Piece;

WASI(fd_write)(int32_t fd, const Piece *pieces, int32_t count, uint32_t *written) {
    if (fd != 1 && fd != 2) {
        return BADF;
    }
    *written = 0;
    for (int32_t i = 0; i < count; i++) {
        stdio_write(fd, pieces[i].data, pieces[i].size);
        *written += pieces[i].size;
    }
    return SUCCESS;
}

typedef struct {
    uint8_t filetype;
    uint16_t flags;
    uint64_t rights_base, rights_inheriting;
} FdStat;

enum { CHARACTER_DEVICE = 2, RIGHT_FD_WRITE = 64 };

static bool is_standard(int32_t fd) { return fd >= 0 && fd <= 2; }

WASI(fd_fdstat_get)(int32_t fd, FdStat *stat) {
    if (!is_standard(fd)) {
        return BADF;
    }
    *stat = (FdStat){.filetype = CHARACTER_DEVICE, .rights_base = RIGHT_FD_WRITE};
    return SUCCESS;
}

typedef struct {
    uint64_t device, inode;
    uint8_t filetype;
    uint64_t links, size, accessed, modified, changed;
} FileStat;

WASI(fd_filestat_get)(int32_t fd, FileStat *stat) {
    if (!is_standard(fd)) {
        return BADF;
    }
    *stat = (FileStat){.filetype = CHARACTER_DEVICE};
    return SUCCESS;
}

WASI(fd_close)(int32_t fd) { return is_standard(fd) ? SUCCESS : BADF; }

/* Newer libcs import fd_close under a name that can't be taken over; there is nothing to close. */
int close(int fd) {
    if (is_standard(fd)) {
        return 0;
    }
    errno = EBADF;
    return -1;
}

/* ---- environment and arguments: none. The environment of the host reaches os.environ through vm_boot. ---- */

WASI(environ_sizes_get)(uint32_t *count, uint32_t *size) {
    *count = *size = 0;
    return SUCCESS;
}

WASI(environ_get)(char **entries, char *text) {
    UNUSED(entries);
    UNUSED(text);
    return SUCCESS;
}

WASI(args_sizes_get)(uint32_t *count, uint32_t *size) {
    *count = *size = 0;
    return SUCCESS;
}

WASI(args_get)(char **entries, char *text) {
    UNUSED(entries);
    UNUSED(text);
    return SUCCESS;
}

/* ---- what there is not ---- */

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code) {
    UNUSED(code);
    log_text(LOG_CRITICAL, "the filter ended its own VM (os._exit, os.abort or a fatal interpreter error)");
    __builtin_trap();
}

WASI(sched_yield)(void) { return SUCCESS; }

/* Parameters are the WASI functions' own; none is looked at. */
#define REFUSE(name, error, ...) \
    WASI(name)(__VA_ARGS__);     \
    WASI(name)(__VA_ARGS__) { return error; }

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter" /* one line for each refused function says it all */

REFUSE(poll_oneoff, NOSYS, int32_t in, int32_t out, int32_t count, int32_t events)
REFUSE(fd_advise, BADF, int32_t fd, int64_t offset, int64_t size, int32_t advice)
REFUSE(fd_allocate, BADF, int32_t fd, int64_t offset, int64_t size)
REFUSE(fd_datasync, BADF, int32_t fd)
REFUSE(fd_fdstat_set_flags, BADF, int32_t fd, int32_t flags)
REFUSE(fd_fdstat_set_rights, BADF, int32_t fd, int64_t base, int64_t inheriting)
REFUSE(fd_filestat_set_size, BADF, int32_t fd, int64_t size)
REFUSE(fd_filestat_set_times, BADF, int32_t fd, int64_t accessed, int64_t modified, int32_t flags)
REFUSE(fd_pread, BADF, int32_t fd, int32_t pieces, int32_t count, int64_t offset, int32_t read)
REFUSE(fd_prestat_get, BADF, int32_t fd, int32_t stat)
REFUSE(fd_prestat_dir_name, BADF, int32_t fd, int32_t path, int32_t size)
REFUSE(fd_pwrite, BADF, int32_t fd, int32_t pieces, int32_t count, int64_t offset, int32_t written)
REFUSE(fd_read, BADF, int32_t fd, int32_t pieces, int32_t count, int32_t read)
REFUSE(fd_readdir, BADF, int32_t fd, int32_t buffer, int32_t size, int64_t cookie, int32_t used)
REFUSE(fd_renumber, BADF, int32_t from, int32_t to)
REFUSE(fd_seek, BADF, int32_t fd, int64_t offset, int32_t whence, int32_t position)
REFUSE(fd_sync, BADF, int32_t fd)
REFUSE(fd_tell, BADF, int32_t fd, int32_t position)
REFUSE(path_create_directory, NOTCAPABLE, int32_t fd, int32_t path, int32_t size)
REFUSE(path_filestat_get, NOENT, int32_t fd, int32_t flags, int32_t path, int32_t size, int32_t stat)
REFUSE(path_filestat_set_times, NOTCAPABLE, int32_t fd, int32_t lookup, int32_t path, int32_t size, int64_t accessed,
       int64_t modified, int32_t flags)
REFUSE(path_link, NOTCAPABLE, int32_t old_fd, int32_t lookup, int32_t old, int32_t old_size, int32_t new_fd, int32_t new,
       int32_t new_size)
REFUSE(path_open, NOENT, int32_t fd, int32_t lookup, int32_t path, int32_t size, int32_t flags, int64_t base,
       int64_t inheriting, int32_t fd_flags, int32_t opened)
REFUSE(path_readlink, NOENT, int32_t fd, int32_t path, int32_t size, int32_t buffer, int32_t buffer_size, int32_t used)
REFUSE(path_remove_directory, NOTCAPABLE, int32_t fd, int32_t path, int32_t size)
REFUSE(path_rename, NOTCAPABLE, int32_t fd, int32_t old, int32_t old_size, int32_t new_fd, int32_t new, int32_t new_size)
REFUSE(path_symlink, NOTCAPABLE, int32_t old, int32_t old_size, int32_t fd, int32_t new, int32_t new_size)
REFUSE(path_unlink_file, NOTCAPABLE, int32_t fd, int32_t path, int32_t size)
REFUSE(sock_accept, NOSYS, int32_t fd, int32_t flags, int32_t accepted)
REFUSE(sock_recv, NOSYS, int32_t fd, int32_t pieces, int32_t count, int32_t flags, int32_t size, int32_t out_flags)
REFUSE(sock_send, NOSYS, int32_t fd, int32_t pieces, int32_t count, int32_t flags, int32_t size)
REFUSE(sock_shutdown, NOSYS, int32_t fd, int32_t how)

#pragma clang diagnostic pop
