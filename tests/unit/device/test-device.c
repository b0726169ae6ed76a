/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Devices and buffers. */

#include "device-support.h"

#include <string.h>

static void
test_list (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = pal_device_list (&error);

  g_assert_no_error (error);
  g_assert_cmpuint (list->len, >, 0);

  for (guint i = 0; i < list->len; i++)
    {
      const PalDeviceInfo *info = g_ptr_array_index (list, i);
      g_autoptr (PalDevice) device = pal_device_open (info->id, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (pal_device_info (device)->id, ==, info->id);
      g_assert_cmpstr (pal_device_info (device)->name, ==, info->name);
      g_assert_cmpuint (info->compute_units, >, 0);
      g_assert_cmpuint (info->max_allocation_bytes, >, 0);
      g_assert_cmpuint (info->max_allocation_bytes, <=, info->memory_bytes);
      g_assert_cmpuint (info->local_bytes, >, 0);
    }
}

static void
test_selectors (void)
{
  const PalDeviceInfo *info      = pal_device_info (test_device ());
  g_autofree gchar    *upper     = g_ascii_strup (info->name, -1);
  const gchar         *matches[] = { info->id, info->name, upper, info->platform,
                                     info->is_cpu ? "cpu" : "gpu" };
  g_autoptr (PalDevice) none = NULL;
  g_autoptr (GError) error   = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (matches); i++)
    {
      g_autoptr (PalDevice) device = pal_device_open (matches[i], &error);

      g_assert_no_error (error);
      g_assert_nonnull (device);
    }

  none = pal_device_open ("abacus", &error);
  g_assert_null (none);
  test_error (error, PAL_ERROR_DEVICE, "“abacus”");
  g_assert_nonnull (strstr (error->message, info->name));
}

static void
test_capabilities (void)
{
  const guint    caps   = pal_device_capabilities (test_device ());
  const gboolean is_cpu = pal_device_info (test_device ())->is_cpu;

  g_assert_cmpint ((caps & PAL_CAP_CPU) != 0, ==, is_cpu);
  g_assert_cmpint ((caps & PAL_CAP_GPU) != 0, ==, ! is_cpu);

  /* What one can be sure of: pocl has vectors on any CPU, llvmpipe says it has none. */
  if (strstr (pal_device_info (test_device ())->platform, "Portable Computing Language"))
    g_assert_true (caps & PAL_CAP_VECTORS);
  if (strstr (pal_device_info (test_device ())->name, "llvmpipe"))
    g_assert_false (caps & PAL_CAP_VECTORS);
  if (caps & PAL_CAP_VECTOR16)
    g_assert_true (caps & PAL_CAP_VECTORS);
}

static void
test_buffer (void)
{
  const guint64     before = pal_device_allocated_bytes (test_device ());
  g_autoptr (PalBuffer) buffer = NULL;
  g_autoptr (GError) error = NULL;
  guint8            data[64], back[64];
  guint8           *mapped;

  for (guint i = 0; i < 64; i++)
    data[i] = (guint8) (i * 7);

  buffer = pal_buffer_new (test_device (), 1000, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pal_buffer_bytes (buffer), ==, 1000);
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before + 1000);

  g_assert_true (pal_buffer_fill (buffer, 0x5a, &error));
  g_assert_true (pal_buffer_write (buffer, 936, data, 64, &error));
  g_assert_true (pal_buffer_read (buffer, 936, back, 64, &error));
  g_assert_cmpmem (back, 64, data, 64);
  g_assert_true (pal_buffer_read (buffer, 872, back, 64, &error));
  g_assert_cmphex (back[0], ==, 0x5a);
  g_assert_cmphex (back[63], ==, 0x5a);

  mapped = pal_buffer_map (buffer, TRUE, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 1000; i++)
    mapped[i] = (guint8) i;
  g_assert_true (pal_buffer_unmap (buffer, mapped, &error));

  mapped = pal_buffer_map (buffer, FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmphex (mapped[999], ==, 999 % 256);
  g_assert_true (pal_buffer_unmap (buffer, mapped, &error));

  pal_buffer_ref (buffer);
  pal_buffer_unref (buffer);
  g_clear_pointer (&buffer, pal_buffer_unref);
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before);
}

static void
test_too_large (void)
{
  const guint64     before = pal_device_allocated_bytes (test_device ());
  const guint64     most = pal_device_info (test_device ())->max_allocation_bytes;
  g_autoptr (GError) error = NULL;

  g_assert_null (pal_buffer_new (test_device (), most + 1, &error));
  test_error (error, PAL_ERROR_MEMORY, "allows no more than");
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before);
}

static void
test_arena (void)
{
  const gsize       small[] = { 100, 50 }, large[] = { 80, 300, 10 };
  const guint64     before = pal_device_allocated_bytes (test_device ());
  g_autoptr (PalArena) a = pal_arena_get (test_device ());
  g_autoptr (PalArena) b = pal_arena_get (test_device ());
  g_autoptr (GError) error = NULL;
  const gsize       huge[] = { 8, pal_device_info (test_device ())->max_allocation_bytes + 1 };
  PalBuffer        *first;

  g_assert_true (a == b);

  g_assert_true (pal_arena_take (a, small, 2, &error));
  first = pal_arena_slab (a, 0);
  g_assert_cmpuint (pal_buffer_bytes (first), ==, 100);
  pal_arena_return (a);

  g_assert_true (pal_arena_take (b, large, 3, &error));
  g_assert_true (pal_arena_slab (b, 0) == first);
  g_assert_cmpuint (pal_buffer_bytes (pal_arena_slab (b, 1)), ==, 300);
  pal_arena_return (b);
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before + 410);

  /* After a failure the arena is free for others. */
  g_assert_false (pal_arena_take (a, huge, 2, &error));
  test_error (error, PAL_ERROR_MEMORY, "allows no more than");
  g_clear_error (&error);
  g_assert_true (pal_arena_take (a, small, 2, &error));
  pal_arena_return (a);

  pal_device_trim (test_device ());
  g_assert_cmpuint (pal_device_allocated_bytes (test_device ()), ==, before);
}

gint
main (gint    argc,
      gchar **argv)
{
  if (! device_test_init (&argc, &argv))
    return 0;

  g_test_add_func ("/device/list", test_list);
  g_test_add_func ("/device/selectors", test_selectors);
  g_test_add_func ("/device/capabilities", test_capabilities);
  g_test_add_func ("/device/buffer", test_buffer);
  g_test_add_func ("/device/too-large", test_too_large);
  g_test_add_func ("/device/arena", test_arena);

  return device_test_run ();
}
