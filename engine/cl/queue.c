/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The device's one in-order queue: launch, flush, finish. */

#include "cl/private.h"

static gboolean
set_argument (cl_kernel      kernel,
              guint          index,
              const PalArg  *arg,
              GError       **error)
{
  cl_int status = CL_INVALID_ARG_VALUE;

  switch (arg->kind)
    {
    case PAL_ARG_BUFFER:
      status = clSetKernelArg (kernel, index, sizeof (cl_mem), &arg->buffer->mem);
      break;
    case PAL_ARG_INT:
      status = clSetKernelArg (kernel, index, sizeof (cl_int), &arg->i);
      break;
    case PAL_ARG_ULONG:
      status = clSetKernelArg (kernel, index, sizeof (cl_ulong), &arg->u);
      break;
    case PAL_ARG_FLOAT:
      status = clSetKernelArg (kernel, index, sizeof (cl_float), &arg->f);
      break;
    }

  if (! pal_cl_ok (status, error, "setting a kernel argument"))
    {
      g_prefix_error (error, "argument %u: ", index);
      return FALSE;
    }

  return TRUE;
}

/* Arguments are set at each launch: it costs a fraction of a microsecond each, and
 * one kernel object then serves every launch with the same options. */
static gboolean
enqueue (PalDevice        *device,
         const PalLaunch  *launch,
         GError          **error)
{
  const gboolean driver_chooses = launch->local[0] == 0;

  for (guint i = 0; i < launch->n_args; i++)
    if (! set_argument (launch->kernel->kernel, i, &launch->args[i], error))
      return FALSE;

  return pal_cl_ok (clEnqueueNDRangeKernel (device->queue, launch->kernel->kernel, 3, NULL,
                                            launch->global,
                                            driver_chooses ? NULL : launch->local,
                                            0, NULL, NULL),
                    error, "starting a kernel");
}

gboolean
pal_device_launch (PalDevice        *device,
                   const PalLaunch  *launch,
                   GError          **error)
{
  gboolean ok;

  g_mutex_lock (&device->lock);
  ok = enqueue (device, launch, error);
  g_mutex_unlock (&device->lock);

  if (! ok)
    g_prefix_error (error, "%s, global %" G_GSIZE_FORMAT "x%" G_GSIZE_FORMAT "x%"
                    G_GSIZE_FORMAT ": ", launch->kernel->name, launch->global[0],
                    launch->global[1], launch->global[2]);

  return ok;
}

gboolean
pal_device_flush (PalDevice  *device,
                  GError    **error)
{
  return pal_cl_ok (clFlush (device->queue), error, "flushing the queue");
}

gboolean
pal_device_finish (PalDevice  *device,
                   GError    **error)
{
  return pal_cl_ok (clFinish (device->queue), error, "waiting for the device");
}

gboolean
pal_device_pace (PalDevice  *device,
                 GError    **error)
{
  cl_event border = NULL, before;
  cl_int   status;
  gboolean ok;

  status = clEnqueueMarkerWithWaitList (device->queue, 0, NULL, &border);

  g_mutex_lock (&device->lock);
  before         = device->border;
  device->border = border;
  g_mutex_unlock (&device->lock);

  ok = pal_cl_ok (status, error, "marking the queue") && pal_device_flush (device, error) &&
       (! before || pal_cl_ok (clWaitForEvents (1, &before), error, "waiting for the device"));

  if (before)
    clReleaseEvent (before);

  return ok;
}
