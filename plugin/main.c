/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the plug-in's type and entry point. */

#include <libgimp/gimp.h>

#include "procedure.h"

#define PAL_TYPE_PLUG_IN (pal_plug_in_get_type ())
G_DECLARE_FINAL_TYPE (PalPlugIn, pal_plug_in, PAL, PLUG_IN, GimpPlugIn)

struct _PalPlugIn
{
  GimpPlugIn parent_instance;
};

G_DEFINE_TYPE (PalPlugIn, pal_plug_in, GIMP_TYPE_PLUG_IN)

static GList *
query_procedures (GimpPlugIn *plug_in)
{
  return pal_procedure_names ();
}

static GimpProcedure *
create_procedure (GimpPlugIn *plug_in, const gchar *name)
{
  return pal_procedure_new (plug_in, name);
}

/* GIMP prints a warning for a folder that is not there, as in a build without
 * translations. */
static gboolean
set_i18n (GimpPlugIn *plug_in, const gchar *procedure_name, gchar **gettext_domain,
          gchar **catalog_dir)
{
  g_autofree gchar *folder  = g_path_get_dirname (gimp_get_progname ());
  g_autofree gchar *locales = g_build_filename (folder, "locale", NULL);

  if (! g_file_test (locales, G_FILE_TEST_IS_DIR))
    return FALSE;

  *gettext_domain = g_strdup (GETTEXT_PACKAGE);
  *catalog_dir    = g_strdup ("locale");
  return TRUE;
}

static void
pal_plug_in_class_init (PalPlugInClass *class)
{
  GimpPlugInClass *plug_in_class = GIMP_PLUG_IN_CLASS (class);

  plug_in_class->query_procedures = query_procedures;
  plug_in_class->create_procedure = create_procedure;
  plug_in_class->set_i18n         = set_i18n;
}

static void
pal_plug_in_init (PalPlugIn *plug_in)
{
}

GIMP_MAIN (PAL_TYPE_PLUG_IN)
