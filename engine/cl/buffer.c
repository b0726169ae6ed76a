/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Device memory: reference-counted buffers and host access to them. */

#include "cl/private.h"

static PalBuffer *
buffer_new (PalDevice *device,
            gsize      n_bytes)
{
  PalBuffer *buffer = g_new0 (PalBuffer, 1);

  g_atomic_ref_count_init (&buffer->refs);
  buffer->device  = pal_device_ref (device);
  buffer->n_bytes = n_bytes;

  return buffer;
}

PalBuffer *
pal_buffer_new (PalDevice  *device,
                gsize       n_bytes,
                GError    **error)
{
  g_autoptr (PalBuffer) buffer = NULL;
  cl_int status;

  g_return_val_if_fail (n_bytes > 0, NULL);

  if (n_bytes > device->info.max_allocation_bytes)
    {
      g_autofree gchar *want = g_format_size_full (n_bytes, G_FORMAT_SIZE_IEC_UNITS);
      g_autofree gchar *most = g_format_size_full (device->info.max_allocation_bytes,
                                                   G_FORMAT_SIZE_IEC_UNITS);

      g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
                   "One block of %s is needed, but %s allows no more than %s at once; work "
                   "on a smaller part of the image", want, device->info.name, most);
      return NULL;
    }

  buffer      = buffer_new (device, n_bytes);
  buffer->mem = clCreateBuffer (device->context, CL_MEM_READ_WRITE, n_bytes, NULL, &status);
  if (buffer->mem)
    {
      buffer->allocated_bytes = n_bytes;
      g_mutex_lock (&device->lock);
      device->allocated_bytes += n_bytes;
      device->peak_bytes = MAX (device->peak_bytes, device->allocated_bytes);
      g_mutex_unlock (&device->lock);
    }

  if (! pal_cl_ok (status, error, "allocating memory"))
    {
      g_autofree gchar *want = g_format_size_full (n_bytes, G_FORMAT_SIZE_IEC_UNITS);

      g_prefix_error (error, "%s of %s: ", want, device->info.name);
      return NULL;
    }

  return g_steal_pointer (&buffer);
}

PalBuffer *
pal_buffer_part (PalBuffer  *whole,
                 gsize       offset_bytes,
                 gsize       n_bytes,
                 GError    **error)
{
  const cl_buffer_region region = { offset_bytes, n_bytes };
  g_autoptr (PalBuffer) buffer = NULL;
  cl_int status;

  g_return_val_if_fail (offset_bytes % whole->device->part_bytes == 0, NULL);

  buffer        = buffer_new (whole->device, n_bytes);
  buffer->whole = pal_buffer_ref (whole);
  buffer->mem   = clCreateSubBuffer (whole->mem, CL_MEM_READ_WRITE,
                                     CL_BUFFER_CREATE_TYPE_REGION, &region, &status);

  return pal_cl_ok (status, error, "dividing a buffer") ? g_steal_pointer (&buffer) : NULL;
}

PalBuffer *
pal_buffer_wrap (PalDevice      *device,
                 gconstpointer   data,
                 gsize           n_bytes,
                 GError        **error)
{
  g_autoptr (PalBuffer) buffer = buffer_new (device, n_bytes);
  cl_int status;

  buffer->mem = clCreateBuffer (device->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR,
                                n_bytes, (gpointer) data, &status);

  return pal_cl_ok (status, error, "sharing memory") ? g_steal_pointer (&buffer) : NULL;
}

PalBuffer *
pal_buffer_ref (PalBuffer *buffer)
{
  g_atomic_ref_count_inc (&buffer->refs);
  return buffer;
}

void
pal_buffer_unref (PalBuffer *buffer)
{
  if (! g_atomic_ref_count_dec (&buffer->refs))
    return;

  if (buffer->mem)
    clReleaseMemObject (buffer->mem);

  g_mutex_lock (&buffer->device->lock);
  buffer->device->allocated_bytes -= buffer->allocated_bytes;
  g_mutex_unlock (&buffer->device->lock);

  g_clear_pointer (&buffer->whole, pal_buffer_unref);
  pal_device_unref (buffer->device);
  g_free (buffer);
}

gsize
pal_buffer_bytes (const PalBuffer *buffer)
{
  return buffer->n_bytes;
}

static gboolean
inside (const PalBuffer *buffer,
        gsize            offset_bytes,
        gsize            n_bytes)
{
  return offset_bytes <= buffer->n_bytes && n_bytes <= buffer->n_bytes - offset_bytes;
}

gboolean
pal_buffer_write (PalBuffer     *buffer,
                  gsize          offset_bytes,
                  gconstpointer  data,
                  gsize          n_bytes,
                  GError       **error)
{
  g_return_val_if_fail (inside (buffer, offset_bytes, n_bytes), FALSE);

  return pal_cl_ok (clEnqueueWriteBuffer (buffer->device->queue, buffer->mem, CL_TRUE,
                                          offset_bytes, n_bytes, data, 0, NULL, NULL),
                    error, "writing to a buffer");
}

gboolean
pal_buffer_read (PalBuffer  *buffer,
                 gsize       offset_bytes,
                 gpointer    data,
                 gsize       n_bytes,
                 GError    **error)
{
  g_return_val_if_fail (inside (buffer, offset_bytes, n_bytes), FALSE);

  return pal_cl_ok (clEnqueueReadBuffer (buffer->device->queue, buffer->mem, CL_TRUE,
                                         offset_bytes, n_bytes, data, 0, NULL, NULL),
                    error, "reading from a buffer");
}

gboolean
pal_buffer_fill (PalBuffer  *buffer,
                 guint8      value,
                 GError    **error)
{
  return pal_cl_ok (clEnqueueFillBuffer (buffer->device->queue, buffer->mem, &value, 1, 0,
                                         buffer->n_bytes, 0, NULL, NULL),
                    error, "filling a buffer");
}

gpointer
pal_buffer_map (PalBuffer  *buffer,
                gboolean    write,
                GError    **error)
{
  cl_map_flags flags = write ? CL_MAP_WRITE_INVALIDATE_REGION : CL_MAP_READ;
  gpointer     mapped;
  cl_int       status;

  mapped = clEnqueueMapBuffer (buffer->device->uploads, buffer->mem, CL_TRUE, flags, 0,
                               buffer->n_bytes, 0, NULL, NULL, &status);
  if (pal_cl_ok (status, error, "mapping a buffer"))
    return mapped;

  if (mapped)
    clEnqueueUnmapMemObject (buffer->device->uploads, buffer->mem, mapped, 0, NULL, NULL);

  return NULL;
}

gboolean
pal_buffer_unmap (PalBuffer  *buffer,
                  gpointer    mapped,
                  GError    **error)
{
  return pal_cl_ok (clEnqueueUnmapMemObject (buffer->device->uploads, buffer->mem, mapped,
                                             0, NULL, NULL),
                    error, "unmapping a buffer") &&
         pal_cl_ok (clFinish (buffer->device->uploads), error, "waiting for an upload");
}
