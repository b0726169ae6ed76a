/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The OpenCL device to compute on. */

#ifndef PAL_UI_DEVICE_ROW_H
#define PAL_UI_DEVICE_ROW_H

#include <libgimp/gimp.h>
#include <libgimp/gimpui.h>

G_BEGIN_DECLS

/* A list for the argument "device". Asking the drivers takes a while, so the
 * devices appear when they have answered; failed is called, with what to do, when
 * there are none. */
typedef void (*PalDevicesFailed) (const gchar *message, gpointer data);

GtkWidget *pal_device_row_new (GimpProcedureConfig *config,
                               PalDevicesFailed     failed,
                               gpointer             data);

G_END_DECLS

#endif
