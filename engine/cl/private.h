/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/cl share; the only header that includes CL/cl.h. */

#ifndef PAL_CL_PRIVATE_H
#define PAL_CL_PRIVATE_H

#include <CL/cl.h>

#include "cl/device.h"

struct _PalDevice
{
  gatomicrefcount  refs;
  PalDeviceInfo    info;
  guint            capabilities;
  GHashTable      *choices;     /* "op.class" → const PalKernelRow; see tune.h */
  gchar           *build_key;   /* platform, device and driver: what a binary is bound to */
  cl_device_id     id;
  cl_context       context;
  cl_command_queue queue;
  cl_command_queue uploads;     /* so that weights travel while kernels run */
  gsize            part_bytes;  /* alignment of a buffer's parts */

  GMutex           build_lock;  /* guards the two tables */
  GHashTable      *programs;    /* "file options" → cl_program */
  GHashTable      *kernels;     /* "file:entry options" → PalKernel */

  GMutex           lock;        /* guards what follows, choices, and kernel arguments until
                                 * enqueued */
  guint64          allocated_bytes, peak_bytes;
  PalWork          work;
  cl_event         border;      /* of the last pal_device_pace (); NULL if none */
  PalArena        *arena;       /* not a reference; NULL when no program lives */
};

struct _PalBuffer
{
  gatomicrefcount refs;
  PalDevice      *device;
  PalBuffer      *whole;        /* of which this is a part; NULL if none */
  cl_mem          mem;
  gsize           n_bytes;
  gsize           allocated_bytes;      /* 0 for parts and the host's memory */
};

struct _PalKernel
{
  cl_kernel kernel;
  gchar    *name;               /* "gemm.cl:gemm_nt", for messages */
};

/* The one gate of all OpenCL statuses, and of fault injection: TRUE for CL_SUCCESS,
 * else sets error ("what failed: CL_NAME (-5)") with the code MEMORY, BUILD or
 * DEVICE. An object that the call made must already be where its owner frees it,
 * since an injected failure comes after the call. */
gboolean     pal_cl_ok   (cl_int status, GError **error, const gchar *what);

/* "CL_OUT_OF_RESOURCES", or "unknown error". */
const gchar *pal_cl_name (cl_int status);

/* The tables of programs and kernels. */
void         pal_programs_init  (PalDevice *device);
void         pal_programs_clear (PalDevice *device);

/* A kernel file with its includes put in place, each piece under a #line marker, so
 * that build logs name the file. Free with g_free (). */
gchar       *pal_kernel_source  (const gchar *file, GError **error);

#endif
