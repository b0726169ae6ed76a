/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Devices: enumeration over all platforms, choice by selector, open and close. */

#include "cl/private.h"

#include <string.h>

#include "base/debug.h"
#include "cl/tune.h"

#define STATUS_NO_PLATFORM -1001    /* CL_PLATFORM_NOT_FOUND_KHR of the ICD loader */

#define INSTALL_HINT                                                              \
  "Install one that fits: the package pocl-opencl-icd runs on any processor; "    \
  "mesa-opencl-icd, intel-opencl-icd, rocm-opencl-icd or the NVIDIA driver's "    \
  "nvidia-opencl-icd make the graphics card work"

/* One device as enumerated, before it is opened. */
typedef struct
{
  PalDeviceInfo  info;
  cl_platform_id platform;
  cl_device_id   id;
  cl_device_type type;
  gchar         *platform_version;
  gchar         *extensions;
} Found;

static void
info_clear (PalDeviceInfo *info)
{
  g_free (info->id);
  g_free (info->name);
  g_free (info->vendor);
  g_free (info->platform);
  g_free (info->driver);
}

static void
info_free (PalDeviceInfo *info)
{
  info_clear (info);
  g_free (info);
}

static void
found_free (Found *found)
{
  info_clear (&found->info);
  g_free (found->platform_version);
  g_free (found->extensions);
  g_free (found);
}

static gchar *
platform_text (cl_platform_id    platform,
               cl_platform_info  param,
               GError          **error)
{
  gsize            size = 0;
  g_autofree gchar *text = NULL;

  if (! pal_cl_ok (clGetPlatformInfo (platform, param, 0, NULL, &size), error,
                   "asking for a platform's name"))
    return NULL;

  text = g_malloc0 (size + 1);
  if (! pal_cl_ok (clGetPlatformInfo (platform, param, size, text, NULL), error,
                   "asking for a platform's name"))
    return NULL;

  return g_strdup (g_strstrip (text));
}

static gchar *
device_text (cl_device_id     id,
             cl_device_info   param,
             GError         **error)
{
  gsize            size = 0;
  g_autofree gchar *text = NULL;

  if (! pal_cl_ok (clGetDeviceInfo (id, param, 0, NULL, &size), error,
                   "asking for a device's properties"))
    return NULL;

  text = g_malloc0 (size + 1);
  if (! pal_cl_ok (clGetDeviceInfo (id, param, size, text, NULL), error,
                   "asking for a device's properties"))
    return NULL;

  return g_strdup (g_strstrip (text));
}

static gboolean
device_value (cl_device_id     id,
              cl_device_info   param,
              gpointer         value,
              gsize            n_bytes,
              GError         **error)
{
  return pal_cl_ok (clGetDeviceInfo (id, param, n_bytes, value, NULL), error,
                    "asking for a device's properties");
}

/* FALSE without an error: the device can't be used. */
static gboolean
found_fill (Found   *found,
            GError **error)
{
  PalDeviceInfo *info      = &found->info;
  cl_bool        available = CL_FALSE, compiler = CL_FALSE;
  cl_uint        units     = 0;
  cl_ulong       memory = 0, allocation = 0, local = 0;

  if (! device_value (found->id, CL_DEVICE_AVAILABLE, &available, sizeof available, error) ||
      ! device_value (found->id, CL_DEVICE_COMPILER_AVAILABLE, &compiler, sizeof compiler,
                      error) ||
      ! available || ! compiler)
    return FALSE;

  if (! (info->name = device_text (found->id, CL_DEVICE_NAME, error)) ||
      ! (info->vendor = device_text (found->id, CL_DEVICE_VENDOR, error)) ||
      ! (info->driver = device_text (found->id, CL_DRIVER_VERSION, error)) ||
      ! (found->extensions = device_text (found->id, CL_DEVICE_EXTENSIONS, error)) ||
      ! (info->platform = platform_text (found->platform, CL_PLATFORM_NAME, error)) ||
      ! (found->platform_version = platform_text (found->platform, CL_PLATFORM_VERSION,
                                                  error)))
    return FALSE;

  if (! device_value (found->id, CL_DEVICE_TYPE, &found->type, sizeof found->type, error) ||
      ! device_value (found->id, CL_DEVICE_MAX_COMPUTE_UNITS, &units, sizeof units, error) ||
      ! device_value (found->id, CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof memory, error) ||
      ! device_value (found->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, &allocation,
                      sizeof allocation, error) ||
      ! device_value (found->id, CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof local, error))
    return FALSE;

  info->is_cpu               = (found->type & CL_DEVICE_TYPE_CPU) != 0;
  info->compute_units        = units;
  info->memory_bytes         = memory;
  info->max_allocation_bytes = allocation;
  info->local_bytes          = local;

  return TRUE;
}

/* Adds the platform's usable devices. A failure of one platform must not hide the
 * others, so it is kept in error, the first one, and the rest goes on. */
static void
enumerate_platform (cl_platform_id   platform,
                    guint            index,
                    GPtrArray       *all,
                    GError         **error)
{
  cl_uint                 n = 0;
  g_autofree cl_device_id *ids = NULL;
  cl_int                  status;

  status = clGetDeviceIDs (platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
  if (status == CL_DEVICE_NOT_FOUND || (status == CL_SUCCESS && n == 0))
    return;

  if (! pal_cl_ok (status, error, "listing a platform's devices"))
    return;

  ids = g_new0 (cl_device_id, n);
  if (! pal_cl_ok (clGetDeviceIDs (platform, CL_DEVICE_TYPE_ALL, n, ids, NULL), error,
                   "listing a platform's devices"))
    return;

  for (guint i = 0; i < n; i++)
    {
      Found *found = g_new0 (Found, 1);

      found->platform = platform;
      found->id       = ids[i];
      found->info.id  = g_strdup_printf ("%u:%u", index, i);

      if (found_fill (found, error && *error == NULL ? error : NULL))
        g_ptr_array_add (all, found);
      else
        found_free (found);
    }
}

/* Element type Found, never empty. */
static GPtrArray *
enumerate (GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) found_free);
  g_autoptr (GError) first  = NULL;
  g_autofree cl_platform_id *platforms = NULL;
  cl_uint                    n         = 0;
  cl_int                     status;

  status = clGetPlatformIDs (0, NULL, &n);
  if (status == STATUS_NO_PLATFORM || (status == CL_SUCCESS && n == 0))
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                   "There is no OpenCL implementation on this system. " INSTALL_HINT ".");
      return NULL;
    }

  if (! pal_cl_ok (status, error, "listing the platforms"))
    return NULL;

  platforms = g_new0 (cl_platform_id, n);
  if (! pal_cl_ok (clGetPlatformIDs (n, platforms, NULL), error, "listing the platforms"))
    return NULL;

  for (guint i = 0; i < n; i++)
    enumerate_platform (platforms[i], i, all, first ? NULL : &first);

  if (all->len > 0)
    return g_steal_pointer (&all);

  if (first)
    g_propagate_error (error, g_steal_pointer (&first));
  else
    g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                 "OpenCL is installed, but no implementation has a usable device here. "
                 INSTALL_HINT ".");
  return NULL;
}

static PalDeviceInfo
info_copy (const PalDeviceInfo *info)
{
  PalDeviceInfo copy = *info;

  copy.id       = g_strdup (info->id);
  copy.name     = g_strdup (info->name);
  copy.vendor   = g_strdup (info->vendor);
  copy.platform = g_strdup (info->platform);
  copy.driver   = g_strdup (info->driver);

  return copy;
}

GPtrArray *
pal_device_list (GError **error)
{
  g_autoptr (GPtrArray) all = enumerate (error);
  GPtrArray *list;

  if (! all)
    return NULL;

  list = g_ptr_array_new_with_free_func ((GDestroyNotify) info_free);
  for (guint i = 0; i < all->len; i++)
    {
      Found *found = g_ptr_array_index (all, i);

      g_ptr_array_add (list, g_memdup2 (&(PalDeviceInfo) { 0 }, sizeof (PalDeviceInfo)));
      *(PalDeviceInfo *) g_ptr_array_index (list, i) = info_copy (&found->info);
    }

  return list;
}

static gboolean
text_has (const gchar *text,
          const gchar *part)
{
  g_autofree gchar *a = g_utf8_casefold (text, -1);
  g_autofree gchar *b = g_utf8_casefold (part, -1);

  return strstr (a, b) != NULL;
}

static gboolean
found_matches (const Found *found,
               const gchar *selector)
{
  if (g_ascii_strcasecmp (selector, "cpu") == 0)
    return found->info.is_cpu;

  if (g_ascii_strcasecmp (selector, "gpu") == 0)
    return (found->type & CL_DEVICE_TYPE_GPU) != 0;

  return g_str_equal (found->info.id, selector) ||
         text_has (found->info.name, selector) ||
         text_has (found->info.vendor, selector) ||
         text_has (found->info.platform, selector) ||
         text_has (found->platform_version, selector);
}

/* A GPU before other accelerators before a CPU. */
static gint
found_rank (const Found *found)
{
  return (found->type & CL_DEVICE_TYPE_GPU) != 0 ? 2 : ! found->info.is_cpu;
}

/* selector NULL: any. Of equals, the first. */
static const Found *
choose (GPtrArray    *all,
        const gchar  *selector,
        GError      **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const Found *best = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      const Found *found = g_ptr_array_index (all, i);

      g_string_append_printf (names, "%s%s (%s)", i > 0 ? ", " : "", found->info.id,
                              found->info.name);

      if ((! selector || found_matches (found, selector)) &&
          (! best || found_rank (found) > found_rank (best)))
        best = found;
    }

  if (! best)
    g_set_error (error, PAL_ERROR, PAL_ERROR_DEVICE,
                 "No OpenCL device matches “%s”. There are: %s.", selector, names->str);

  return best;
}

static gboolean
probe_capabilities (const Found  *found,
                    guint        *capabilities,
                    GError      **error)
{
  guint   bits  = found->info.is_cpu ? PAL_CAP_CPU : PAL_CAP_GPU;
  cl_uint width = 0;

  if (! device_value (found->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, &width, sizeof width,
                      error))
    return FALSE;

  if (found->info.is_cpu && width >= 4)
    bits |= PAL_CAP_VECTORS;
  if (found->info.is_cpu && width >= 16)
    bits |= PAL_CAP_VECTOR16;
  if (strstr (found->extensions, "cl_khr_fp16"))
    bits |= PAL_CAP_FP16;
  if (strstr (found->extensions, "cl_khr_subgroups") ||
      strstr (found->extensions, "cl_intel_subgroups"))
    bits |= PAL_CAP_SUBGROUPS;

  *capabilities = bits;
  return TRUE;
}

static gboolean
probe_alignment (const Found  *found,
                 gsize        *part_bytes,
                 GError      **error)
{
  cl_uint bits = 0;

  if (! device_value (found->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, &bits, sizeof bits, error))
    return FALSE;

  *part_bytes = MAX (bits / 8, 1);
  return TRUE;
}

static PalDevice *
open_found (const Found  *found,
            GError      **error)
{
  g_autoptr (PalDevice) device = g_new0 (PalDevice, 1);
  cl_context_properties properties[] = { CL_CONTEXT_PLATFORM,
                                         (cl_context_properties) found->platform, 0 };
  cl_int                status;

  g_atomic_ref_count_init (&device->refs);
  g_mutex_init (&device->lock);
  pal_programs_init (device);
  device->choices   = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  device->info      = info_copy (&found->info);
  device->id        = found->id;
  device->build_key = g_strjoin ("\n", found->info.platform, found->platform_version,
                                 found->info.name, found->info.driver, NULL);

  if (! probe_capabilities (found, &device->capabilities, error) ||
      ! probe_alignment (found, &device->part_bytes, error))
    return NULL;

  device->context = clCreateContext (properties, 1, &found->id, NULL, NULL, &status);
  if (! pal_cl_ok (status, error, "opening the device"))
    return NULL;

  device->queue = clCreateCommandQueue (device->context, found->id, 0, &status);
  if (! pal_cl_ok (status, error, "creating a command queue"))
    return NULL;

  device->uploads = clCreateCommandQueue (device->context, found->id, 0, &status);
  if (! pal_cl_ok (status, error, "creating a second command queue"))
    return NULL;

  pal_tune_load (device);

  return g_steal_pointer (&device);
}

PalDevice *
pal_device_open (const gchar  *selector,
                 GError      **error)
{
  g_autoptr (GPtrArray) all = NULL;
  PalStopwatch watch = pal_stopwatch_start ();
  const Found *found;
  PalDevice   *device;

  if (! selector || ! *selector)
    selector = pal_env_device ();
  if (selector && ! *selector)
    selector = NULL;

  if (! (all = enumerate (error)) || ! (found = choose (all, selector, error)))
    return NULL;

  device = open_found (found, error);
  if (! device)
    g_prefix_error (error, "%s: ", found->info.name);
  pal_debug_lap (PAL_DEBUG_START, &watch, "device");

  return device;
}

const PalDeviceInfo *
pal_device_info (PalDevice *device)
{
  return &device->info;
}

PalDevice *
pal_device_ref (PalDevice *device)
{
  g_atomic_ref_count_inc (&device->refs);
  return device;
}

void
pal_device_unref (PalDevice *device)
{
  if (! g_atomic_ref_count_dec (&device->refs))
    return;

  pal_programs_clear (device);
  g_hash_table_unref (device->choices);
  if (device->border)
    clReleaseEvent (device->border);
  if (device->uploads)
    clReleaseCommandQueue (device->uploads);
  if (device->queue)
    clReleaseCommandQueue (device->queue);
  if (device->context)
    clReleaseContext (device->context);

  info_clear (&device->info);
  g_free (device->build_key);
  g_mutex_clear (&device->lock);
  g_free (device);
}

guint64
pal_device_allocated_bytes (PalDevice *device)
{
  guint64 bytes;

  g_mutex_lock (&device->lock);
  bytes = device->allocated_bytes;
  g_mutex_unlock (&device->lock);

  return bytes;
}

guint64
pal_device_peak_bytes (PalDevice *device)
{
  guint64 bytes;

  g_mutex_lock (&device->lock);
  bytes = device->peak_bytes;
  g_mutex_unlock (&device->lock);

  return bytes;
}

void
pal_device_reset_peak (PalDevice *device)
{
  g_mutex_lock (&device->lock);
  device->peak_bytes = device->allocated_bytes;
  g_mutex_unlock (&device->lock);
}

gsize
pal_device_part_bytes (PalDevice *device)
{
  return device->part_bytes;
}

guint
pal_device_capabilities (PalDevice *device)
{
  return device->capabilities;
}

void
pal_device_limit (PalDevice *device,
                  guint      capabilities)
{
  device->capabilities &= capabilities;
}
