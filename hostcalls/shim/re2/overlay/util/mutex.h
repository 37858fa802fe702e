// Takes the place of RE2's util/mutex.h: every RE2 object here is used under the GIL, and the wasm has one thread.
// Also keeps pthread_rwlock_*, and with it libc's second set of pthread stubs, out of the link.

#ifndef UTIL_MUTEX_H_
#define UTIL_MUTEX_H_

namespace re2 {

class Mutex {
 public:
  void Lock() {}
  void Unlock() {}
  void ReaderLock() {}
  void ReaderUnlock() {}
  void WriterLock() {}
  void WriterUnlock() {}
};

class NoLock {
 public:
  explicit NoLock(Mutex*) {}
  NoLock(const NoLock&) = delete;
  NoLock& operator=(const NoLock&) = delete;
  ~NoLock() {}  // not trivial, so that an otherwise unused lock on the stack draws no warning
};

using MutexLock = NoLock;
using ReaderMutexLock = NoLock;
using WriterMutexLock = NoLock;

}  // namespace re2

#endif  // UTIL_MUTEX_H_
