/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The subcommands that only tell: devices, models, info. */

#include <glib/gi18n.h>

#include "json-out.h"
#include "options.h"
#include "png-io.h"
#include "words.h"

static gchar *
size_text (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}

static void
print_devices_json (GPtrArray *devices)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_array (json);
  for (guint i = 0; i < devices->len; i++)
    {
      json_builder_begin_object (json);
      cli_json_device (json, g_ptr_array_index (devices, i));
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
  cli_json_print (json);
}

gboolean
cli_devices (const gchar  *name,
             gchar       **arguments,
             GCancellable *cancellable,
             GError      **error)
{
  g_autoptr (GPtrArray) devices = NULL;
  gboolean              json    = FALSE;

  if (! cli_options_simple (NULL, _("Lists the OpenCL devices that --device takes."),
                            NULL, arguments, &json, NULL, error))
    return FALSE;

  devices = pal_device_list (error);
  if (! devices)
    return FALSE;

  if (json)
    {
      print_devices_json (devices);
      return TRUE;
    }

  for (guint i = 0; i < devices->len; i++)
    {
      const PalDeviceInfo *info   = g_ptr_array_index (devices, i);
      g_autofree gchar    *memory = size_text (info->memory_bytes);

      /* TRANSLATORS: id, name, kind of device, number, memory, platform, driver's version. */
      g_print (_("%s  %s\n     %s, %u compute units, %s, %s %s\n"), info->id, info->name,
               info->is_cpu ? _("CPU") : _("GPU"), info->compute_units, memory,
               info->platform, info->driver);
    }

  return TRUE;
}

static void
print_line (const gchar *label,
            const gchar *value)
{
  if (value && *value)
    g_print ("  %s: %s\n", label, value);
}

/* "vae: F16, 83.7 M parameters, 159.6 MiB, x.safetensors" */
static void
print_part (const PalPartInfo *part)
{
  g_autofree gchar *stored = size_text (part->stored_bytes);
  g_autofree gchar *file   = g_path_get_basename (part->path);

  /* TRANSLATORS: part of a model, number format, millions, size, file. */
  g_print (_("  %s: %s, %.1f M parameters, %s, %s\n"), part->name, part->precision,
           (gdouble) part->parameters / 1e6, stored, file);
}

static void
print_model (const PalModelInfo *info)
{
  g_autofree gchar *weights = size_text (info->weight_bytes);
  g_autofree gchar *memory  = size_text (info->memory_bytes);
  g_autofree gchar *sizes   = g_strdup_printf ("%d–%d px", info->trained_min_px,
                                               info->trained_max_px);

  g_print ("%s\n", info->title);
  print_line (_("Path"), info->path);
  print_line (_("Family"), info->family_title);
  print_line (_("Weights"), weights);
  print_line (_("Memory for the weights"), memory);
  print_line (_("Precision"), info->precision);
  for (guint i = 0; i < info->parts->len; i++)
    print_part (g_ptr_array_index (info->parts, i));
  print_line (_("Works at"), sizes);
  print_line (_("Sampler"), info->sampler);
  if (info->inpainting)
    print_line (_("Kind"), _("made for filling"));
  if (info->words)
    {
      g_autofree gchar *words = g_strdup_printf (_("%u materials, %u styles"),
                                                 g_strv_length (info->vocabulary),
                                                 info->styles ? g_strv_length (info->styles) : 0);

      print_line (_("Knows"), words);
    }
}

gboolean
cli_models (const gchar  *name,
            gchar       **arguments,
            GCancellable *cancellable,
            GError      **error)
{
  g_autoptr (GPtrArray)   paths  = NULL;
  g_autoptr (JsonBuilder) json   = json_builder_new ();
  gboolean                script = FALSE;

  if (! cli_options_simple (NULL, _("Lists the models that were found."), NULL, arguments,
                            &script, NULL, error))
    return FALSE;

  paths = cli_models_list ();
  json_builder_begin_array (json);
  for (guint i = 0; i < paths->len; i++)
    {
      const gchar             *path    = g_ptr_array_index (paths, i);
      g_autoptr (GError)       problem = NULL;
      g_autoptr (PalModelInfo) info    = pal_model_inspect (path, &problem);

      json_builder_begin_object (json);
      if (info)
        cli_json_model (json, info);
      else
        {
          cli_json_string (json, "path", path);
          cli_json_string (json, "error", problem->message);
        }
      json_builder_end_object (json);

      if (! script && info)
        print_model (info);
      else if (! script)
        g_print (_("%s\n  can't be used: %s\n"), path, problem->message);
    }
  json_builder_end_array (json);

  if (script)
    cli_json_print (json);
  else if (paths->len == 0)
    g_printerr (_("No model was found; put one into %s\n"), "~/.local/share/palimpsest/models");

  return TRUE;
}

static void
print_picture_json (const gchar *path,
                    const CliPng *png)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  cli_json_string (json, "path", path);
  cli_json_int (json, "width", png->width);
  cli_json_int (json, "height", png->height);
  cli_json_int (json, "channels", png->channels);
  cli_json_int (json, "depth", png->depth);
  cli_json_bool (json, "palette", png->was_palette);
  cli_json_string (json, "profile", png->icc_name);
  cli_json_string (json, "recipe", cli_png_get_text (png, "parameters"));
  json_builder_end_object (json);
  cli_json_print (json);
}

static void
print_picture (const gchar  *path,
               const CliPng *png)
{
  const gchar *const kinds[] = { _("gray"), _("gray with alpha"), _("RGB"), _("RGB with alpha") };
  const gchar       *recipe  = cli_png_get_text (png, "parameters");

  /* TRANSLATORS: file name, width, height, kind of pixels, bits. */
  g_print (_("%s: %d × %d px, %s, %d bits\n"), path, png->width, png->height,
           png->was_palette ? _("palette") : kinds[png->channels - 1], png->depth);
  print_line (_("Colour profile"), png->icc_name);

  if (recipe)
    g_print ("\n%s\n", recipe);
  else
    g_print (_("No recipe.\n"));
}

static gboolean
tell_model (const gchar *path,
            const gchar *prompt,
            gboolean     script,
            GError     **error)
{
  g_autoptr (PalModelInfo) info = pal_model_inspect (path, error);
  g_autoptr (JsonBuilder)  json = json_builder_new ();

  if (! info)
    return FALSE;

  if (script)
    {
      json_builder_begin_object (json);
      cli_json_model (json, info);
      if (prompt)
        cli_words_json_reading (json, info, prompt);
      json_builder_end_object (json);
      cli_json_print (json);
    }
  else if (prompt)
    cli_words_print_reading (info, prompt);
  else
    {
      print_model (info);
      cli_words_print (info);
    }

  return TRUE;
}

gboolean
cli_info (const gchar  *name,
          gchar       **arguments,
          GCancellable *cancellable,
          GError      **error)
{
  g_autofree gchar  *path   = NULL;
  g_autofree gchar  *prompt = NULL;
  gboolean           json   = FALSE;
  const GOptionEntry more[] = {
    { "prompt", 'p', 0, G_OPTION_ARG_STRING, &prompt,
      N_("Tell how the model reads this prompt"), N_("TEXT") },
    { NULL }
  };

  if (! cli_options_simple (N_("FILE.png|MODEL"),
                            _("Tells what a PNG or a model holds; of a PNG that this"
                              " program made, its recipe too."),
                            more, arguments, &json, &path, error))
    return FALSE;

  if (pal_model_is_path (path))
    return tell_model (path, prompt, json, error);
  else if (prompt)
    {
      g_set_error (error, CLI_ERROR, CLI_EXIT_USAGE,
                   _("--prompt is for a model, and %s is none"), path);
      return FALSE;
    }
  else
    {
      g_autoptr (CliPng) png = cli_png_read (path, error);

      if (! png)
        return FALSE;

      if (json)
        print_picture_json (path, png);
      else
        print_picture (path, png);
    }

  return TRUE;
}
