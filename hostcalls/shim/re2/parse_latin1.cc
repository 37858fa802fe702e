// RE2's parser, with a repair. Where alternatives begin with the same literal, this RE2 makes one prefix of it and forgets
// that it was Latin-1; the search then looks for the prefix's UTF-8 form, and rb"\xe2a|\xe2b" finds nothing. Upstream
// mended that later. `flags`, at the only place that the macro meets, are those of the alternatives.

#include "re2/regexp.h"

#define LiteralString(runes, count, given) \
  LiteralString(runes, count, static_cast<Regexp::ParseFlags>((given) | (flags & Regexp::Latin1)))

#include "re2/parse.cc"
