/* Where malloc gets its memory from, and how free memory is cleaned before the snapshot. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

enum { WASM_PAGE = 65536 };

/* volatile: the compiler knows malloc, and takes it that no memory of ours matters to it. */
static volatile bool frozen_size = false;

/* libc's sbrk, which can be told not to grow. malloc calls it with multiples of a page, or 0. */
void *sbrk(intptr_t increment) {
    if (increment == 0) {
        return (void *)(__builtin_wasm_memory_size(0) * WASM_PAGE);
    }
    uintptr_t old = SIZE_MAX;
    if (increment > 0 && !frozen_size) {
        old = __builtin_wasm_memory_grow(0, ((uintptr_t)increment + WASM_PAGE - 1) / WASM_PAGE);
    }
    if (old == SIZE_MAX) {
        errno = ENOMEM;
        return (void *)-1;
    }
    return (void *)(old * WASM_PAGE);
}

/* Takes every free block that malloc has without growing the memory, zeroes it, and gives all back: zeroes pack to nothing. */
void memory_scrub(void) {
    void *taken = NULL;
    frozen_size = true;
    for (size_t size = 1 << 20; size >= 8; size -= size > 65536 ? 65536 : size > 1024 ? 512 : 8) {
        void **block;
        while ((block = malloc(size))) {
            memset(block, 0, size);
            *block = taken;
            taken = block;
        }
    }
    frozen_size = false;
    pools_scrub();
    while (taken) {
        void *next = *(void **)taken;
        *(void **)taken = NULL;
        free(taken);
        taken = next;
    }
}
