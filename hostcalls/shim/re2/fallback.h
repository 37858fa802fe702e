// What happens with a pattern that RE2 does not know: another module, usually re, takes over.

#ifndef RE2_MODULE_FALLBACK_H_
#define RE2_MODULE_FALLBACK_H_

#include "python.h"

namespace re2_module {

// Values of set_fallback_notification().
enum Notification { kQuietly = 0, kWarning = 1, kException = 2 };

extern int current_notification;

// re.error where re can be imported, else a class of our own with the same attributes. Looked up when first needed: re
// and enum weigh more than this whole module's data, and most filters never name them. Borrowed.
PyObject* error_class();

// Raises re2.error. Always false.
bool raise_error(const char* message);

// An attribute of re, of which the module has its own name (RegexFlag, Pattern). New reference.
PyObject* attribute_of_re(const char* name);

// Whether `object` is a pattern of another module, compiled already.
bool is_foreign_pattern(PyObject* object);

// A FallbackPattern; or raises, or warns, as notification is set.
PyObject* fall_back(PyObject* pattern, int flags, const char* reason);

PyObject* set_fallback_module(PyObject* module, PyObject* fallback);
PyObject* set_fallback_notification(PyObject* module, PyObject* level);

int add_fallback_type(PyObject* module);

}  // namespace re2_module

#endif  // RE2_MODULE_FALLBACK_H_
