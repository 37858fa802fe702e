/* Where this VM is in its life. */

#include "shim.h"

bool vm_sealed = false;
