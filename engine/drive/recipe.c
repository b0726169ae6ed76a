/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recipes: how a picture was made, as the text "parameters" of PNG files.
 *
 * The form is the one that other programs write and read: the prompt, which may have
 * several lines; a line "Negative prompt: ..."; a last line of "Key: value" pairs with
 * commas between. A value that holds a comma, a colon, a quote or a line break is
 * written as a JSON string. Guarded by tests/cli/test-recipe.c. */

#include <math.h>
#include <string.h>

#include "pal.h"

#define NEGATIVE "Negative prompt: "

static const gchar *const intents[PAL_N_INTENTS] = {
  [PAL_FILL]     = "fill",
  [PAL_RESTYLE]  = "restyle",
  [PAL_GENERATE] = "generate",
};

static const gchar *const randoms[] = {
  [PAL_RANDOM_TORCH]  = "CPU",
  [PAL_RANDOM_PHILOX] = "NV",
};

/* Samplers that other programs know by another name than their title here. */
static const struct { const gchar *id, *name; } common_names[] = {
  { "euler-a",    "Euler a" },
  { "dpm2-a",     "DPM2 a" },
  { "dpmpp-2s-a", "DPM++ 2S a" },
  { "pndm",       "PLMS" },
};

static const PalSamplerInfo *
find_sampler (const gchar *text)
{
  gsize                 n;
  const PalSamplerInfo *samplers = pal_sampler_list (&n);

  for (gsize i = 0; i < G_N_ELEMENTS (common_names); i++)
    if (g_ascii_strcasecmp (common_names[i].name, text) == 0)
      text = common_names[i].id;

  for (gsize i = 0; i < n; i++)
    if (g_ascii_strcasecmp (samplers[i].id, text) == 0 ||
        g_ascii_strcasecmp (samplers[i].title, text) == 0)
      return &samplers[i];

  return NULL;
}

/* Of a sampler's id; the id itself where it has none. */
static const gchar *
sampler_name (const gchar *id)
{
  const PalSamplerInfo *sampler = find_sampler (id);

  for (gsize i = 0; i < G_N_ELEMENTS (common_names); i++)
    if (g_str_equal (common_names[i].id, id))
      return common_names[i].name;

  return sampler ? sampler->title : id;
}

static const PalScheduleInfo *
find_schedule (const gchar *text)
{
  gsize                  n;
  const PalScheduleInfo *schedules = pal_schedule_list (&n);

  for (gsize i = 0; i < n; i++)
    if (g_ascii_strcasecmp (schedules[i].id, text) == 0 ||
        g_ascii_strcasecmp (schedules[i].title, text) == 0)
      return &schedules[i];

  return NULL;
}

/* Writing */

static void
append_quoted (GString     *text,
               const gchar *value)
{
  if (! strpbrk (value, ",:\"\\\n\r") && ! g_ascii_isspace (value[0]))
    {
      g_string_append (text, value);
      return;
    }

  g_string_append_c (text, '"');
  for (; *value; value++)
    {
      const gchar *plain   = "\"\\\n\r";
      const gchar *letters = "\"\\nr";
      const gchar *at      = strchr (plain, *value);

      if (at)
        g_string_append_printf (text, "\\%c", letters[at - plain]);
      else
        g_string_append_c (text, *value);
    }
  g_string_append_c (text, '"');
}

static void
append_text (GString     *text,
             const gchar *key,
             const gchar *value)
{
  g_string_append_printf (text, "%s%s: ",
                          text->len > 0 && text->str[text->len - 1] != '\n' ? ", " : "", key);
  append_quoted (text, value);
}

/* Never a decimal comma, whatever the locale. */
static void
append_number (GString     *text,
               const gchar *key,
               gdouble      value)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  append_text (text, key, g_ascii_formatd (number, sizeof number, "%.10g", value));
}

/* "style.safetensors:0.8; other.safetensors:1": names alone, a picture should not tell what
 * its maker's folders are called. */
static void
append_adapters (GString          *text,
                 const PalRequest *request)
{
  g_autoptr (GString) names = g_string_new (NULL);
  gchar               number[G_ASCII_DTOSTR_BUF_SIZE];

  for (gsize i = 0; i < request->n_adapters; i++)
    {
      g_autofree gchar *name = g_path_get_basename (request->adapters[i].path);

      g_ascii_formatd (number, sizeof number, "%.10g", request->adapters[i].strength);
      g_string_append_printf (names, "%s%s:%s", i > 0 ? "; " : "", name, number);
    }

  if (names->len > 0)
    append_text (text, "Adapters", names->str);
}

static void
append_settings (GString            *text,
                 const PalRequest   *request,
                 const PalModelInfo *info,
                 gint                width,
                 gint                height)
{
  const gchar           *sampler  = request->sampler ? request->sampler : info->sampler;
  const gchar           *id       = request->schedule ? request->schedule : "automatic";
  const PalScheduleInfo *schedule = find_schedule (id);
  const gdouble          strength = pal_model_info_strength (info, request->intent);
  const gdouble          guidance = pal_model_info_guidance (info, request->intent);
  g_autofree gchar      *size     = g_strdup_printf ("%dx%d", width, height);
  g_autofree gchar      *seed     = g_strdup_printf ("%" G_GUINT64_FORMAT, request->seed);

  append_number (text, "Steps", request->steps > 0 ? request->steps : info->steps);
  if (sampler)
    append_text (text, "Sampler", sampler_name (sampler));
  append_text (text, "Schedule type", schedule ? schedule->title : id);
  append_number (text, "CFG scale", request->guidance > 0 ? request->guidance : guidance);
  if (info->instructed)
    append_number (text, "Image CFG scale", request->image_guidance > 0 ? request->image_guidance
                                                                        : info->image_guidance);
  append_text (text, "Seed", seed);
  append_text (text, "Size", size);
  append_text (text, "Model", info->title ? info->title : "");
  append_adapters (text, request);
  if (request->intent != PAL_GENERATE)
    append_number (text, "Denoising strength",
                   request->strength > 0 ? request->strength : strength);
  if (request->eta > 0)
    append_number (text, "Eta", request->eta);
  if (request->s_noise > 0)
    append_number (text, "Sigma noise", request->s_noise);
  if (request->clip_skip > 0)
    append_number (text, "Clip skip", request->clip_skip);
  if (request->keep_colours)
    append_text (text, "Colour match", "off");
  append_text (text, "RNG", randoms[request->random]);
  append_text (text, "Intent", intents[request->intent]);
  append_text (text, "Version", "Palimpsest " PAL_VERSION);
}

gchar *
pal_recipe_format (const PalRequest   *request,
                   const PalModelInfo *info,
                   gint                width,
                   gint                height)
{
  GString *text;

  g_return_val_if_fail (request && info && (guint) request->intent < PAL_N_INTENTS, NULL);

  text = g_string_new (request->prompt ? request->prompt : "");
  g_string_append_c (text, '\n');
  if (request->negative_prompt && *request->negative_prompt)
    g_string_append_printf (text, NEGATIVE "%s\n", request->negative_prompt);

  append_settings (text, request, info, width, height);

  return g_string_free (text, FALSE);
}

/* Reading: one function for each key; FALSE = not a value of that kind. */

static gboolean
read_int (const gchar *value,
          gint         low,
          gint         high,
          gint        *out)
{
  gint64 number;

  if (! g_ascii_string_to_signed (value, 10, low, high, &number, NULL))
    return FALSE;

  *out = (gint) number;

  return TRUE;
}

static gboolean
read_number (const gchar *value,
             gdouble     *out)
{
  gchar        *end    = NULL;
  const gdouble number = g_ascii_strtod (value, &end);

  if (end == value || *end || ! isfinite (number) || number < 0)
    return FALSE;

  *out = number;

  return TRUE;
}

static gboolean
read_steps (PalRecipe   *recipe,
            const gchar *value)
{
  return read_int (value, 1, 1000, &recipe->steps);
}

static gboolean
read_sampler (PalRecipe   *recipe,
              const gchar *value)
{
  g_autofree gchar     *name  = g_strdup (value);
  gchar                *last  = strrchr (name, ' ');
  const PalSamplerInfo *known = find_sampler (name);

  /* Older writers put the schedule behind the sampler's name. */
  if (! known && last && find_schedule (last + 1))
    {
      g_set_str (&recipe->schedule, find_schedule (last + 1)->id);
      *last = '\0';
      known = find_sampler (name);
    }

  g_set_str (&recipe->sampler, known ? known->id : value);

  return TRUE;
}

static gboolean
read_schedule (PalRecipe   *recipe,
               const gchar *value)
{
  const PalScheduleInfo *known = find_schedule (value);

  /* Others' kinds, as an unknown sampler's name, are left for the user to see. */
  g_set_str (&recipe->schedule, known ? known->id : value);

  return TRUE;
}

static gboolean
read_guidance (PalRecipe   *recipe,
               const gchar *value)
{
  return read_number (value, &recipe->guidance);
}

static gboolean
read_image_guidance (PalRecipe   *recipe,
                     const gchar *value)
{
  return read_number (value, &recipe->image_guidance);
}

static gboolean
read_strength (PalRecipe   *recipe,
               const gchar *value)
{
  return read_number (value, &recipe->strength);
}

static gboolean
read_eta (PalRecipe   *recipe,
          const gchar *value)
{
  return read_number (value, &recipe->eta);
}

static gboolean
read_colour_match (PalRecipe   *recipe,
                   const gchar *value)
{
  recipe->keep_colours = g_ascii_strcasecmp (value, "off") == 0;

  return TRUE;
}

static gboolean
read_s_noise (PalRecipe   *recipe,
              const gchar *value)
{
  return read_number (value, &recipe->s_noise);
}

static gboolean
read_clip_skip (PalRecipe   *recipe,
                const gchar *value)
{
  return read_int (value, 1, 100, &recipe->clip_skip);
}

static gboolean
read_seed (PalRecipe   *recipe,
           const gchar *value)
{
  return g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT64, &recipe->seed, NULL);
}

static gboolean
read_size (PalRecipe   *recipe,
           const gchar *value)
{
  g_auto (GStrv) sides = g_strsplit (value, "x", -1);

  return g_strv_length (sides) == 2 &&
         read_int (sides[0], 1, G_MAXINT, &recipe->width) &&
         read_int (sides[1], 1, G_MAXINT, &recipe->height);
}

static gboolean
read_model (PalRecipe   *recipe,
            const gchar *value)
{
  g_set_str (&recipe->model, value);

  return TRUE;
}

static gboolean
read_adapters (PalRecipe   *recipe,
               const gchar *value)
{
  g_set_str (&recipe->adapters, value);

  return TRUE;
}

static gboolean
read_random (PalRecipe   *recipe,
             const gchar *value)
{
  recipe->random = g_ascii_strcasecmp (value, randoms[PAL_RANDOM_PHILOX]) == 0
                     ? PAL_RANDOM_PHILOX : PAL_RANDOM_TORCH;

  return TRUE;
}

static gboolean
read_intent (PalRecipe   *recipe,
             const gchar *value)
{
  for (guint i = 0; i < PAL_N_INTENTS; i++)
    if (g_ascii_strcasecmp (value, intents[i]) == 0)
      {
        recipe->intent = (PalIntent) i;
        return TRUE;
      }

  return FALSE;
}

static const struct
{
  const gchar *key;
  gboolean   (*read) (PalRecipe *recipe, const gchar *value);
} fields[] = {
  { "Steps",              read_steps },
  { "Sampler",            read_sampler },
  { "Schedule type",      read_schedule },
  { "CFG scale",          read_guidance },
  { "Image CFG scale",    read_image_guidance },
  { "Seed",               read_seed },
  { "Size",               read_size },
  { "Model",              read_model },
  { "Adapters",           read_adapters },
  { "Denoising strength", read_strength },
  { "Eta",                read_eta },
  { "Sigma noise",        read_s_noise },
  { "Clip skip",          read_clip_skip },
  { "Colour match",       read_colour_match },
  { "RNG",                read_random },
  { "Intent",             read_intent },
};

/* A JSON string up to its closing quote; *text is left behind it. */
static gchar *
take_quoted (const gchar **text)
{
  GString     *value = g_string_new (NULL);
  const gchar *at;

  for (at = *text + 1; *at && *at != '"'; at++)
    {
      if (*at != '\\' || ! at[1])
        g_string_append_c (value, *at);
      else if (*++at == 'n')
        g_string_append_c (value, '\n');
      else if (*at == 'r')
        g_string_append_c (value, '\r');
      else
        g_string_append_c (value, *at);
    }

  *text = *at ? at + 1 : at;

  return g_string_free (value, FALSE);
}

static gchar *
take_value (const gchar **text)
{
  const gchar *comma;
  gchar       *value;

  if (**text == '"')
    return take_quoted (text);

  comma = strchr (*text, ',');
  value = comma ? g_strndup (*text, (gsize) (comma - *text)) : g_strdup (*text);
  *text += strlen (value);

  return g_strstrip (value);
}

/* "Key: value, Key: value"; unknown keys are other programs' and passed over. */
static gboolean
read_settings (PalRecipe   *recipe,
               const gchar *line,
               GError     **error)
{
  while (*line)
    {
      const gchar      *colon = strchr (line, ':');
      g_autofree gchar *key   = NULL;
      g_autofree gchar *value = NULL;

      if (! colon)
        break;

      key   = g_strstrip (g_strndup (line, (gsize) (colon - line)));
      line  = colon + 1 + strspn (colon + 1, " ");
      value = take_value (&line);
      line += strcspn (line, ",");
      line += strspn (line, ", ");

      for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if (g_ascii_strcasecmp (fields[i].key, key) == 0 && ! fields[i].read (recipe, value))
          {
            g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                         "the recipe's value \"%s\" for \"%s\" is not valid", value, key);
            return FALSE;
          }
    }

  return TRUE;
}

/* The last line that begins with "Steps: ", as all writers put that first. */
static gchar *
find_settings (gchar *text)
{
  gchar *found = g_str_has_prefix (text, "Steps: ") ? text : NULL;

  for (gchar *at = text; (at = strstr (at, "\nSteps: ")); at++)
    found = at + 1;

  return found;
}

PalRecipe *
pal_recipe_parse (const gchar *text,
                  GError     **error)
{
  g_autoptr (PalRecipe) recipe   = g_new0 (PalRecipe, 1);
  g_autofree gchar     *copy     = g_utf8_make_valid (text, -1);
  gchar                *settings = find_settings (copy);
  gchar                *negative;

  if (! settings)
    {
      g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                   "the text is no recipe: no line begins with \"Steps: \"");
      return NULL;
    }

  recipe->intent = PAL_N_INTENTS;
  if (! read_settings (recipe, settings, error))
    return NULL;

  /* Files of other programs do not say it; a strength means there was a source. */
  if (recipe->intent == PAL_N_INTENTS)
    recipe->intent = recipe->strength > 0 ? PAL_RESTYLE : PAL_GENERATE;

  if (settings > copy)
    settings[-1] = '\0';
  else
    settings[0] = '\0';

  /* A line of its own, with its line break unless it is the first. */
  negative = g_str_has_prefix (copy, NEGATIVE) ? copy : strstr (copy, "\n" NEGATIVE);
  if (negative)
    {
      const gsize line_break = *negative == '\n' ? 1 : 0;

      recipe->negative_prompt = g_strdup (negative + line_break + strlen (NEGATIVE));
      *negative = '\0';
    }
  recipe->prompt = g_strdup (copy);

  return g_steal_pointer (&recipe);
}

void
pal_recipe_free (PalRecipe *recipe)
{
  if (! recipe)
    return;

  g_free (recipe->prompt);
  g_free (recipe->negative_prompt);
  g_free (recipe->sampler);
  g_free (recipe->schedule);
  g_free (recipe->model);
  g_free (recipe->adapters);
  g_free (recipe);
}
