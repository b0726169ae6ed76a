/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The device's peak: fused multiply-adds that need no memory. */

#include "bench.h"

/* Sums that hide the latency of a multiply-add and, with two constants, fit 16 registers. */
#define CHAINS 12
#define TRIES  5

static const PalKernelRow row = { "fma_peak", "", "fma.cl", "fma_peak", "", 0, { 0 } };

/* Floats of the device's own vectors; lanes of a GPU take what it is given. */
static guint
vector_width (PalDevice *device)
{
  const guint bits = pal_device_capabilities (device);

  return bits & PAL_CAP_VECTOR16 ? 16 : bits & PAL_CAP_VECTORS ? 8 : 4;
}

static gboolean
launch (PalDevice *device, const PalLaunch *launch, BenchTime *time, GError **error)
{
  const BenchTime start = bench_now ();

  if (! pal_device_launch (device, launch, error) || ! pal_device_finish (device, error))
    return FALSE;

  *time = bench_since (start);
  return TRUE;
}

/* By one of the two built-in functions; some devices only emulate the exact one. */
static gdouble
peak_of (BenchRun *run, const gchar *function, GError **error)
{
  const PalDeviceInfo *info    = pal_device_info (run->device);
  const guint          vec     = vector_width (run->device);
  const gsize          local   = info->is_cpu ? 1 : 64;
  const gsize          items   = info->compute_units * local * 16;
  g_autofree gchar    *defines = g_strdup_printf ("-DVEC=%u -DCHAINS=%d -DMULTIPLY_ADD=%s", vec,
                                                   CHAINS, function);
  g_autoptr (PalBuffer) buffer = NULL;
  PalArg    args[] = { { .kind = PAL_ARG_BUFFER },
                       { .kind = PAL_ARG_ULONG },
                       { .kind = PAL_ARG_INT, .i = 1000 } };
  PalLaunch call = { .args = args, .n_args = G_N_ELEMENTS (args),
                     .global = { items, 1, 1 }, .local = { local, 1, 1 } };
  gdouble   best = 0.0;

  call.kernel = pal_kernel_get (run->device, &row, defines, error);
  buffer      = call.kernel ? pal_buffer_new (run->device, items * sizeof (gfloat), error) : NULL;
  if (! buffer)
    return BENCH_NONE;

  args[0].buffer = buffer;
  for (guint i = 0; i <= TRIES; i++)
    {
      BenchTime     time;
      const gdouble flops = 2.0 * CHAINS * vec * (gdouble) items * args[2].i;

      if (! launch (run->device, &call, &time, error))
        return BENCH_NONE;

      /* The first one sets the length of the others. */
      if (i == 0)
        args[2].i = (gint) CLAMP (args[2].i * 0.05 / time.wall, 1e3, 1e7);
      else
        best = MAX (best, BENCH_RATE (flops, bench_busy (run, time)));
    }

  return best;
}

gdouble
bench_peak (BenchRun *run, GError **error)
{
  const gdouble exact = peak_of (run, "fma", error);
  const gdouble quick = isnan (exact) ? BENCH_NONE : peak_of (run, "mad", error);

  return isnan (quick) ? BENCH_NONE : MAX (exact, quick);
}
