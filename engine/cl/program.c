/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernels: one OpenCL program per (file, defines), built from source or taken from
 * the cache of binaries on disk. */

#include "cl/private.h"

#include <string.h>

#include "base/debug.h"
#include "cl/cache.h"

#define MAX_LOG 4000            /* bytes of a build log that an error shows */

/* A model's kernels are about 1 MB. */
static const PalCacheKind binaries = {
  .folder = "kernels", .format = "palimpsest kernel 1\n", .cap_bytes = 64 << 20
};

static void
kernel_free (PalKernel *kernel)
{
  if (kernel->kernel)
    clReleaseKernel (kernel->kernel);
  g_free (kernel->name);
  g_free (kernel);
}

static void
program_free (cl_program program)
{
  clReleaseProgram (program);
}

void
pal_programs_init (PalDevice *device)
{
  g_mutex_init (&device->build_lock);
  device->programs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                            (GDestroyNotify) program_free);
  device->kernels  = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                            (GDestroyNotify) kernel_free);
}

void
pal_programs_clear (PalDevice *device)
{
  g_hash_table_unref (device->kernels);
  g_hash_table_unref (device->programs);
  g_mutex_clear (&device->build_lock);
}

/* Platforms that keep compiled kernels on disk themselves, and better than a binary does.
 * pocl compiles a kernel when it is first launched, for the work-group's size. To give a
 * binary it compiles all kernels of the program once more, for any size, which nearly
 * doubles a cold start, and what the binary lacks then is the size that is used. Mesa's
 * binaries cost nothing and save its front end. */
static const gchar *const own_caches[] = { "Portable Computing Language" };

static gboolean
keeps_kernels (PalDevice *device)
{
  for (gsize i = 0; i < G_N_ELEMENTS (own_caches); i++)
    if (g_str_equal (device->info.platform, own_caches[i]))
      return TRUE;

  return FALSE;
}

static gchar *
cache_path (PalDevice   *device,
            const gchar *source,
            const gchar *options)
{
  const gchar *parts[] = { device->build_key, options, source };

  return pal_cache_path (&binaries, parts, G_N_ELEMENTS (parts));
}

/* A program that can't be kept is only slower to start the next time. */
static void
cache_keep (cl_program   program,
            const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree guchar *data  = NULL;
  gsize              n     = 0;

  if (! pal_cl_ok (clGetProgramInfo (program, CL_PROGRAM_BINARY_SIZES, sizeof n, &n, NULL),
                   &error, "asking for a program's size") || n == 0 ||
      ! (data = pal_try_alloc (n)) ||
      ! pal_cl_ok (clGetProgramInfo (program, CL_PROGRAM_BINARIES, sizeof data, &data, NULL),
                   &error, "asking for a program's binary"))
    {
      pal_debug_log (PAL_DEBUG_CACHE, "no binary: %s", error ? error->message : "empty");
      return;
    }

  pal_cache_write (&binaries, path, data, n);
}

static cl_program
build_binary (PalDevice   *device,
              const gchar *path,
              const gchar *options)
{
  g_autoptr (GBytes) bytes = pal_cache_read (&binaries, path);
  g_autoptr (GError) error = NULL;
  const guchar *data;
  gsize         n;
  cl_program    program;
  cl_int        status;

  if (! bytes)
    return NULL;

  data    = g_bytes_get_data (bytes, &n);
  program = clCreateProgramWithBinary (device->context, 1, &device->id, &n, &data, NULL,
                                       &status);
  if (pal_cl_ok (status, &error, "loading a kernel binary") &&
      pal_cl_ok (clBuildProgram (program, 1, &device->id, options, NULL, NULL), &error,
                 "building a kernel binary"))
    return program;

  pal_cache_drop (path, error->message);
  if (program)
    clReleaseProgram (program);

  return NULL;
}

static gchar *
build_log (PalDevice  *device,
           cl_program  program)
{
  g_autofree gchar *log = NULL;
  gsize             n   = 0;

  if (clGetProgramBuildInfo (program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n) !=
      CL_SUCCESS)
    return g_strdup ("");

  log = g_malloc0 (n + 1);
  if (clGetProgramBuildInfo (program, device->id, CL_PROGRAM_BUILD_LOG, n, log, NULL) !=
      CL_SUCCESS)
    return g_strdup ("");

  if (strlen (log) > MAX_LOG)
    strcpy (log + MAX_LOG, "...");

  return g_strdup (g_strstrip (log));
}

static cl_program
build_source (PalDevice    *device,
              const gchar  *file,
              const gchar  *source,
              const gchar  *options,
              GError      **error)
{
  g_autofree gchar *log = NULL;
  cl_program        program;
  cl_int            status;

  program = clCreateProgramWithSource (device->context, 1, &source, NULL, &status);
  if (pal_cl_ok (status, error, "creating a program"))
    {
      status = clBuildProgram (program, 1, &device->id, options, NULL, NULL);
      if (status != CL_SUCCESS)
        log = build_log (device, program);

      if (pal_cl_ok (status, error, "compiling a kernel"))
        return program;
    }

  if (log && *log)
    g_prefix_error (error, "%s\n", log);
  g_prefix_error (error, "%s (%s) on %s: ", file, options, device->info.name);

  if (program)
    clReleaseProgram (program);

  return NULL;
}

/* From the device's table, else the disk, else the source. Not referenced. */
static cl_program
program_get (PalDevice    *device,
             const gchar  *file,
             const gchar  *options,
             GError      **error)
{
  g_autofree gchar *key    = g_strdup_printf ("%s %s", file, options);
  g_autofree gchar *source = NULL, *path = NULL;
  cl_program        program = g_hash_table_lookup (device->programs, key);
  gint64            start   = g_get_monotonic_time ();
  gboolean          cached;

  if (program)
    return program;

  if (! (source = pal_kernel_source (file, error)))
    return NULL;

  path    = keeps_kernels (device) ? NULL : cache_path (device, source, options);
  program = path ? build_binary (device, path, options) : NULL;
  cached  = program != NULL;

  if (! cached)
    program = build_source (device, file, source, options, error);
  if (! program)
    return NULL;

  g_hash_table_insert (device->programs, g_steal_pointer (&key), program);
  if (path && ! cached)
    cache_keep (program, path);

  pal_debug_log (PAL_DEBUG_KERNELS, "%s %s: %s in %" G_GINT64_FORMAT " ms", file, options,
                 cached ? "loaded" : "built", (g_get_monotonic_time () - start) / 1000);
  return program;
}

static PalKernel *
kernel_new (PalDevice           *device,
            const PalKernelRow  *row,
            const gchar         *options,
            GError             **error)
{
  cl_program program = program_get (device, row->file, options, error);
  PalKernel *kernel;
  cl_int     status;

  if (! program)
    return NULL;

  kernel         = g_new0 (PalKernel, 1);
  kernel->name   = g_strdup_printf ("%s:%s", row->file, row->entry);
  kernel->kernel = clCreateKernel (program, row->entry, &status);

  if (! pal_cl_ok (status, error, "creating a kernel"))
    {
      g_prefix_error (error, "%s: ", kernel->name);
      g_clear_pointer (&kernel, kernel_free);
    }

  return kernel;
}

PalKernel *
pal_kernel_get (PalDevice           *device,
                const PalKernelRow  *row,
                const gchar         *defines,
                GError             **error)
{
  g_autofree gchar *options = NULL, *key = NULL;
  PalKernel        *kernel;

  options = g_strdup_printf ("-cl-std=CL1.2 %s %s", row->defines ? row->defines : "",
                             defines ? defines : "");
  g_strchomp (options);
  key = g_strdup_printf ("%s:%s %s", row->file, row->entry, options);

  g_mutex_lock (&device->build_lock);

  kernel = g_hash_table_lookup (device->kernels, key);
  if (! kernel && (kernel = kernel_new (device, row, options, error)))
    g_hash_table_insert (device->kernels, g_steal_pointer (&key), kernel);

  g_mutex_unlock (&device->build_lock);

  return kernel;
}
