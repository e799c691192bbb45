/*
 * Keeps the private copy of OpenBLAS neutral to the host. The static library's constructor would start one thread for each
 * core and register a fork handler; the linker's --wrap (Package.swift) puts these in place of the three functions.
 * What is left is single-threaded GEMM that may be called from many threads at once: the locks of the pthread build stay.
 */
extern int blas_cpu_number;
extern int blas_num_threads;

int __wrap_blas_get_cpu_number(void);
int __wrap_blas_thread_init(void);
void __wrap_openblas_fork_handler(void);

int __wrap_blas_get_cpu_number(void)
{
    blas_num_threads = 1;
    blas_cpu_number = 1;
    return 1;
}

int __wrap_blas_thread_init(void) { return 0; }

void __wrap_openblas_fork_handler(void) {}
