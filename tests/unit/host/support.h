/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the unit tests share: test data, temporary folders, error checks. */

#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <gio/gio.h>

/* Path of a file below the test data folder, NULL-terminated parts. g_free (). */
gchar *support_data    (const gchar *first, ...) G_GNUC_NULL_TERMINATED;

/* A new temporary folder; support_remove () deletes it with all content and frees. */
gchar *support_folder  (void);
void   support_remove  (gchar *folder);

/* Writes folder/name, making folders on the way; length < 0 for a string. */
void   support_write   (const gchar *folder, const gchar *name, const void *data, gssize length);

/* Copies a file. */
void   support_copy    (const gchar *from, const gchar *folder, const gchar *name);

/* A safetensors file: 8-byte length, header, n_data zero bytes. */
void   support_write_safetensors (const gchar *folder, const gchar *name,
                                  const gchar *header, gsize n_data);

/* The error is set, of PAL_ERROR and the code, and its message contains the text. */
void   support_assert_error (GError *error, gint code, const gchar *text);

#endif
