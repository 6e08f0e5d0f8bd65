/* For the headers of Debian's Mbed TLS, which is built for threads: the name of a lock. */
typedef int pthread_mutex_t;
