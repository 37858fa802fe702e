// std::call_once for a program of one thread. libc++'s own waits on a condition variable and so pulls in libc's pthread
// stubs, which clash with those that CPython brings along.

#ifdef __wasm__

#include <mutex>

_LIBCPP_BEGIN_NAMESPACE_STD

void __call_once(volatile once_flag::_State_type& flag, void* argument, void (*function)(void*)) {
  if (flag != once_flag::_Complete) {
    function(argument);
    flag = once_flag::_Complete;
  }
}

_LIBCPP_END_NAMESPACE_STD

#endif  // __wasm__
