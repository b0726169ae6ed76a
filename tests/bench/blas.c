/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OpenBLAS, as a yardstick: found while running, so that nothing depends on it. */

#include "bench.h"

#include <dlfcn.h>

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static const gchar *const libraries[] = { "libopenblas.so.0", "libopenblas.so",
                                          "libopenblasp.so.0" };

static struct
{
  void (*sgemm) (gint order, gint turn_a, gint turn_b, gint m, gint n, gint k, gfloat alpha,
                 const gfloat *a, gint stride_a, const gfloat *b, gint stride_b, gfloat beta,
                 gfloat *c, gint stride_c);
  void (*set_threads) (gint n);
  gchar *(*config) (void);
} blas;

gboolean
bench_blas_open (void)
{
  gpointer library = NULL;

  for (gsize i = 0; ! library && i < G_N_ELEMENTS (libraries); i++)
    library = dlopen (libraries[i], RTLD_NOW | RTLD_LOCAL);
  if (! library)
    return FALSE;

  *(gpointer *) &blas.sgemm       = dlsym (library, "cblas_sgemm");
  *(gpointer *) &blas.set_threads = dlsym (library, "openblas_set_num_threads");
  *(gpointer *) &blas.config      = dlsym (library, "openblas_get_config");
  if (! blas.sgemm || ! blas.set_threads || ! blas.config)
    {
      dlclose (library);
      return FALSE;
    }

  /* Its threads spin while they wait, which would count as work. */
  blas.set_threads (1);

  return TRUE;
}

const gchar *
bench_blas_name (void)
{
  return blas.config ();
}

void
bench_blas_sgemm (gboolean transposed, gint m, gint n, gint k, const gfloat *a, const gfloat *b,
                  gfloat *c)
{
  blas.sgemm (ROW_MAJOR, PLAIN, transposed ? TRANSPOSED : PLAIN, m, n, k, 1.0f, a, k, b,
              transposed ? k : n, 0.0f, c, n);
}
