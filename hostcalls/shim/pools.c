/* malloc for small blocks, in pools of one size each, on top of libc's for the rest.

   This libpython was built without pymalloc, so each of Python's many small objects is a malloc of its own; libc's puts 8 bytes
   before every block and rounds to 16. Here a block costs its size rounded to 8, and malloc and free are a few
   instructions. The idea is that of CPython's own small-object allocator (Vladimir Marangozov's); nothing is locked, since a
   wasm VM is one thread. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

enum {
    GRAIN = 8,
    LARGEST = 512,
    CLASSES = LARGEST / GRAIN,
    POOL = 4096,
    ARENA = 65536, /* a page of wasm memory, so that one bit says whose an address is */
    ARENAS = 65536,
};

typedef struct pool {
    struct pool *next, *previous; /* among the pools of this size with room, or (next only) among the empty ones */
    void *free;                   /* blocks that were given back */
    uint16_t fresh;               /* where blocks that were never used start, or POOL */
    uint8_t class;
    uint8_t spare;
    uint32_t used;
} Pool;

enum { FIRST = (sizeof(Pool) + GRAIN - 1) / GRAIN * GRAIN };

static Pool *usable[CLASSES];
static Pool *empty;
static uint8_t is_arena[ARENAS / 8];

/* The linker's --wrap makes every malloc in the module a call of __wrap_malloc, and libc's own is __real_malloc. */
extern void *__real_malloc(size_t size);
extern void __real_free(void *block);
extern void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void __wrap_free(void *block);
void *__wrap_calloc(size_t count, size_t each);
void *__wrap_realloc(void *block, size_t size);

static bool in_pool(const void *block) {
    uintptr_t arena = (uintptr_t)block / ARENA;
    return is_arena[arena / 8] >> (arena % 8) & 1;
}

static Pool *pool_of(void *block) { return (Pool *)((uintptr_t)block & ~(uintptr_t)(POOL - 1)); }

static size_t block_size(const Pool *pool) { return (size_t)(pool->class + 1) * GRAIN; }

static bool is_full(const Pool *pool) { return !pool->free && pool->fresh + block_size(pool) > POOL; }

static void put_first(Pool *pool) {
    Pool *next = usable[pool->class];
    pool->previous = NULL;
    pool->next = next;
    if (next) {
        next->previous = pool;
    }
    usable[pool->class] = pool;
}

static void take_out(Pool *pool) {
    if (pool->next) {
        pool->next->previous = pool->previous;
    }
    if (pool->previous) {
        pool->previous->next = pool->next;
    } else {
        usable[pool->class] = pool->next;
    }
}

/* One more page of memory, cut into empty pools. */
static bool add_arena(void) {
    char *memory = sbrk(ARENA);
    if (memory == (void *)-1) {
        return false;
    }
    uintptr_t arena = (uintptr_t)memory / ARENA;
    is_arena[arena / 8] |= (uint8_t)(1 << (arena % 8));
    for (int i = ARENA / POOL; i-- > 0;) {
        Pool *pool = (Pool *)(memory + i * POOL);
        pool->next = empty;
        empty = pool;
    }
    return true;
}

static Pool *open_pool(size_t class) {
    if (!empty && !add_arena()) {
        return NULL;
    }
    Pool *pool = empty;
    empty = pool->next;
    *pool = (Pool){.fresh = FIRST, .class = (uint8_t)class};
    put_first(pool);
    return pool;
}

static void *small_malloc(size_t size) {
    size_t class = size ? (size - 1) / GRAIN : 0;
    Pool *pool = usable[class];
    if (__builtin_expect(!pool, 0)) {
        pool = open_pool(class);
        if (!pool) {
            return NULL;
        }
    }
    void *block = pool->free;
    if (block) {
        pool->free = *(void **)block;
    } else {
        block = (char *)pool + pool->fresh;
        pool->fresh = (uint16_t)(pool->fresh + block_size(pool));
    }
    pool->used++;
    if (is_full(pool)) {
        take_out(pool);
    }
    return block;
}

static void small_free(void *block) {
    Pool *pool = pool_of(block);
    bool was_full = is_full(pool);
    *(void **)block = pool->free;
    pool->free = block;
    pool->used--;
    if (was_full) {
        put_first(pool);
    }
    /* The last pool of a size stays, lest a program at the border opens and closes one all the time. */
    if (pool->used == 0 && (pool->next || pool->previous)) {
        take_out(pool);
        pool->next = empty;
        empty = pool;
    }
}

void *__wrap_malloc(size_t size) {
    if (size <= LARGEST) {
        void *block = small_malloc(size);
        if (block) {
            return block;
        }
    }
    return __real_malloc(size); /* which may have room where no page was left for a pool */
}

void __wrap_free(void *block) {
    if (in_pool(block)) {
        small_free(block);
    } else {
        __real_free(block);
    }
}

void *__wrap_calloc(size_t count, size_t each) {
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = __wrap_malloc(size);
    return block ? memset(block, 0, size) : NULL;
}

void *__wrap_realloc(void *block, size_t size) {
    if (!block) {
        return __wrap_malloc(size);
    }
    if (!in_pool(block)) {
        if (size > LARGEST) {
            return __real_realloc(block, size);
        }
        void *smaller = __wrap_malloc(size); /* what shrinks to a small block becomes one */
        if (smaller) {
            memcpy(smaller, block, size);
            __real_free(block);
        }
        return smaller;
    }
    size_t old = block_size(pool_of(block));
    if (size <= old && size > old / 4 * 3) {
        return block;
    }
    void *moved = __wrap_malloc(size);
    if (moved) {
        memcpy(moved, block, size < old ? size : old);
        small_free(block);
    } else if (size <= old) {
        return block;
    }
    return moved;
}

/* Zeroes what is free inside of pools. */
void pools_scrub(void) {
    for (uint32_t arena = 0; arena < __builtin_wasm_memory_size(0); arena++) {
        for (int i = 0; (is_arena[arena / 8] >> (arena % 8) & 1) && i < ARENA / POOL; i++) {
            Pool *pool = (Pool *)((uintptr_t)arena * ARENA + (uintptr_t)i * POOL);
            for (void **block = pool->free; pool->used && block; block = *block) {
                memset(block + 1, 0, block_size(pool) - sizeof *block);
            }
        }
    }
    for (Pool *pool = empty; pool; pool = pool->next) {
        memset(&pool->previous, 0, POOL - sizeof pool->next);
    }
}
