/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The count of what a device has done. */

#include "cl/private.h"

void
pal_device_add_work (PalDevice     *device,
                     const PalWork *work)
{
  g_mutex_lock (&device->lock);
  device->work.flops += work->flops;
  device->work.bytes += work->bytes;
  g_mutex_unlock (&device->lock);
}

PalWork
pal_device_work (PalDevice *device)
{
  PalWork work;

  g_mutex_lock (&device->lock);
  work = device->work;
  g_mutex_unlock (&device->lock);

  return work;
}
