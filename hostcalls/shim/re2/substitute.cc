// Pattern.sub() and Pattern.subn().

#include "match.h"
#include "pattern.h"
#include "scanner.h"
#include "subject.h"
#include "template.h"

namespace re2_module {
namespace {

// One call of sub(): goes through the matches and collects what the result is made of.
class Substitution {
 public:
  // The new string, and in *done how often something was replaced. If nothing was, a str or bytes comes back itself.
  PyObject* run(Pattern* pattern, PyObject* replacement, PyObject* string, Py_ssize_t count, Py_ssize_t* done) {
    pattern_ = pattern;
    replacement_ = replacement;
    calls_ = PyCallable_Check(replacement);
    *done = 0;
    if (!subject_.open(string, pattern->is_str) || !open_template(count)) return nullptr;
    const re2::StringPiece text = subject_.text();
    scanner_.start(pattern->re, &subject_, Range{0, text.size()}, pattern->groups);
    size_t copied = 0;
    bool any = false;
    while (count >= 0 && (count == 0 || *done < count) && scanner_.next()) {
      if (any && skip_adjacent_ && scanner_.found()[0].empty() && scanner_.begin() == copied) continue;
      if (!output_.append(re2::StringPiece(text.data() + copied, scanner_.begin() - copied)) || !replace()) {
        return nullptr;
      }
      copied = scanner_.end();
      any = true;
      ++*done;
    }
    if (!any && (PyUnicode_CheckExact(string) || PyBytes_CheckExact(string))) return Py_NewRef(string);
    if (!output_.append(re2::StringPiece(text.data() + copied, text.size() - copied))) return nullptr;
    return output_.finish(pattern->is_str);
  }

 private:
  bool open_template(Py_ssize_t count) {
    if (calls_) return true;
    Subject source;
    if (!source.open(replacement_, pattern_->is_str)) return false;
    // pyre2 hands such calls to RE2's GlobalReplace, which replaces no empty match right behind another match; all
    // other calls do, as re does. Only patterns that can match nothing show the difference.
    skip_adjacent_ = count == 0 && Template::is_plain(source.text());
    return true;
  }

  bool replace() { return calls_ ? replace_by_call() : replace_by_template(); }

  bool replace_by_template() {
    // Parsed only here: a bad template is no error if nothing matches, in pyre2 as well.
    if (!parsed_ && !template_.parse(replacement_, pattern_)) return false;
    parsed_ = true;
    return template_.expand(scanner_.found(), &output_);
  }

  bool replace_by_call() {
    if (length_ < 0) length_ = subject_.positions(0, subject_.text().size());
    Ref match(new_match(pattern_, subject_, scanner_.found(), 0, length_, &cursor_));
    Ref result(match ? PyObject_CallOneArg(replacement_, match.get()) : nullptr);
    if (!result || result.get() == Py_None) return static_cast<bool>(result);
    if (PyUnicode_Check(result.get()) != pattern_->is_str) {
      PyErr_SetString(PyExc_TypeError, pattern_->is_str ? "callback must return a string or None"
                                                        : "callback must return a bytes-like object or None");
      return false;
    }
    Subject piece;
    return piece.open(result.get()) && output_.append(piece.text());
  }

  Pattern* pattern_ = nullptr;
  PyObject* replacement_ = nullptr;
  bool calls_ = false;
  bool skip_adjacent_ = false;
  bool parsed_ = false;
  Subject subject_;
  Scanner scanner_;
  Template template_;
  Output output_;
  Cursor cursor_;
  Py_ssize_t length_ = -1;
};

PyObject* substitute(PyObject* self, const char* function, PyObject* const* arguments, Py_ssize_t positional,
                     PyObject* keywords, Py_ssize_t* done) {
  Arguments<3> given;
  Py_ssize_t count = 0;
  if (!given.bind(function, {"repl", "string", "count"}, 2, arguments, positional, keywords) ||
      !given.number(2, &count)) {
    return nullptr;
  }
  return Substitution().run(reinterpret_cast<Pattern*>(self), given.value[0], given.value[1], count, done);
}

}  // namespace

PyObject* pattern_sub(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Py_ssize_t done;
  return substitute(self, "sub", arguments, positional, keywords, &done);
}

PyObject* pattern_subn(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Py_ssize_t done;
  Ref result(substitute(self, "subn", arguments, positional, keywords, &done));
  return result ? Py_BuildValue("On", result.get(), done) : nullptr;
}

}  // namespace re2_module
