/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads reference cases for tests: case.json, tensors, aliases. */

#ifndef PAL_TEST_CASE_H
#define PAL_TEST_CASE_H

#include "io/json.h"
#include "io/tensor-file.h"

typedef struct
{
  gchar          *folder;
  PalJson        *json;
  PalTensorFile *tensors;
} Case;

Case     *case_open  (const gchar *folder);   /* asserts that it is well-formed */
void      case_free  (Case *c);

/* Whether the tensor is there, itself or as an alias. */
gboolean  case_has   (Case *c, const gchar *name);

/* Values of a tensor as double and its shape; asserts that it is there. */
gdouble  *case_tensor (Case *c, const gchar *name, PalShape *shape, gsize *n);
gfloat   *case_floats (Case *c, const gchar *name, gsize *n);

/* Folders of cases: tests/data/cases and PALIMPSEST_GOLDENS/cases; gchar*. */
GPtrArray *case_folders (const gchar *data_folder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Case, case_free)

#endif
