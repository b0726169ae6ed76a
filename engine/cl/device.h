/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the rest of the engine may know of OpenCL: a device with one in-order
 * queue, buffers, and kernels by catalogue name. No CL type appears here. */

#ifndef PAL_CL_DEVICE_H
#define PAL_CL_DEVICE_H

#include "pal.h"
#include "cl/catalog.h"

typedef struct _PalBuffer PalBuffer;
typedef struct _PalKernel PalKernel;

/* Buffers: device memory, n_bytes > 0; freed with the last reference. */
PalBuffer *pal_buffer_new   (PalDevice *device, gsize n_bytes, GError **error);
PalBuffer *pal_buffer_ref   (PalBuffer *buffer);
void       pal_buffer_unref (PalBuffer *buffer);
gsize      pal_buffer_bytes (const PalBuffer *buffer);
gboolean   pal_buffer_write (PalBuffer *buffer, gsize offset_bytes, gconstpointer data,
                             gsize n_bytes, GError **error);
gboolean   pal_buffer_read  (PalBuffer *buffer, gsize offset_bytes, gpointer data,
                             gsize n_bytes, GError **error);
gboolean   pal_buffer_fill  (PalBuffer *buffer, guint8 value, GError **error);

/* Host view of a whole buffer, without a copy where the device shares memory. It does
 * not wait for the queue: nothing enqueued may write the buffer, nor, to write it, read
 * it. What was written is there once it is unmapped. */
gpointer   pal_buffer_map   (PalBuffer *buffer, gboolean write, GError **error);
gboolean   pal_buffer_unmap (PalBuffer *buffer, gpointer mapped, GError **error);

/* A part of a buffer, which keeps the whole alive and allocates nothing. offset_bytes: a
 * multiple of pal_device_part_bytes (). */
PalBuffer *pal_buffer_part  (PalBuffer *whole, gsize offset_bytes, gsize n_bytes,
                             GError **error);
gsize      pal_device_part_bytes (PalDevice *device);

/* The host's own bytes, for a CPU to read where they are; they must outlive the buffer.
 * Allocates nothing. */
PalBuffer *pal_buffer_wrap  (PalDevice *device, gconstpointer data, gsize n_bytes,
                             GError **error);

/* Bytes of all live buffers of the device; the most at one time since it was opened or
 * pal_device_reset_peak (). */
guint64    pal_device_allocated_bytes (PalDevice *device);
guint64    pal_device_peak_bytes      (PalDevice *device);
void       pal_device_reset_peak      (PalDevice *device);

/* Arithmetic and memory traffic. flops: of matrix products alone, a multiply-add as two;
 * zeros that pad a convolution and keys that a causal mask hides count too. bytes: each
 * operand read once, each result written once. */
typedef struct
{
  guint64 flops, bytes;
} PalWork;

/* All that programs have done on the device so far. */
void       pal_device_add_work (PalDevice *device, const PalWork *work);
PalWork    pal_device_work     (PalDevice *device);

/* Capabilities (PalCapability bits of catalog.h) that were probed at open. */
guint      pal_device_capabilities (PalDevice *device);

/* Drops capabilities but these, so that tests and benches reach catalogue rows that
 * are not this device's best. */
void       pal_device_limit (PalDevice *device, guint capabilities);

/* A kernel of the catalogue built with these defines ("-DACT=1 -DBIAS=1"), from
 * the device's table when it was built before. Not referenced: lives with the
 * device. */
PalKernel *pal_kernel_get (PalDevice *device, const PalKernelRow *row, const gchar *defines,
                           GError **error);

/* Kernel arguments: a tensor is always (buffer, element offset). */
typedef enum { PAL_ARG_BUFFER, PAL_ARG_INT, PAL_ARG_ULONG, PAL_ARG_FLOAT } PalArgKind;

typedef struct
{
  PalArgKind kind;
  union
  {
    PalBuffer *buffer;
    gint32     i;
    guint64    u;
    gfloat     f;
  };
} PalArg;

typedef struct
{
  PalKernel *kernel;
  PalArg    *args;
  guint      n_args;
  gsize      global[3], local[3];     /* local all 0: the driver's choice */
} PalLaunch;

/* Working memory that the programs of a device take turns in: a list of slabs that
 * grows to the largest of what its users ask for, so that it costs the largest
 * program and not the sum. Contents are lost between turns. */
typedef struct _PalArena PalArena;

/* A reference to the device's arena; freed with the last one. */
PalArena  *pal_arena_get    (PalDevice *device);
void       pal_arena_unref  (PalArena *arena);

/* Waits for the user before, then sees to it that slab i has slab_bytes[i] at least.
 * On failure (MEMORY) the arena is not taken. */
gboolean   pal_arena_take   (PalArena *arena, const gsize *slab_bytes, guint n_slabs,
                             GError **error);
PalBuffer *pal_arena_slab   (PalArena *arena, guint index);   /* while taken; not a reference */
void       pal_arena_return (PalArena *arena);

/* Gives the arena's memory back to the system until the next program runs. */
void       pal_device_trim  (PalDevice *device);

gboolean   pal_device_launch (PalDevice *device, const PalLaunch *launch, GError **error);
gboolean   pal_device_flush  (PalDevice *device, GError **error);
gboolean   pal_device_finish (PalDevice *device, GError **error);

/* Puts a border into the queue, flushes, and waits for the border of the call before:
 * work between two borders is on its way while the next is prepared, no more. */
gboolean   pal_device_pace   (PalDevice *device, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalBuffer, pal_buffer_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalArena, pal_arena_unref)

#endif
