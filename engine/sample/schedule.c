/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scheduler_config.json: fields with the reference's defaults, which differ by class.
 *
 * Reference: the constructors in huggingface/diffusers
 * src/diffusers/schedulers/scheduling_*.py @58eb52c, Apache-2.0. */

#include "sample/solver.h"

#define MAX_TRAIN_TIMESTEPS 100000

/* What a class takes for a field that is absent. */
typedef struct
{
  const gchar *class_name;
  gdouble      beta_start, beta_end;
  PalSpacing   spacing;
  gboolean     clip_sample, set_alpha_to_one;
} ClassDefaults;

static const ClassDefaults class_defaults[] = {
  { "DDIMScheduler", 1e-4, 0.02, PAL_SPACING_LEADING, TRUE, TRUE },
  { "DDPMScheduler", 1e-4, 0.02, PAL_SPACING_LEADING, TRUE, TRUE },
  { "PNDMScheduler", 1e-4, 0.02, PAL_SPACING_LEADING, FALSE, FALSE },
  { "LCMScheduler", 0.00085, 0.012, PAL_SPACING_LEADING, FALSE, TRUE },
  { "TCDScheduler", 0.00085, 0.012, PAL_SPACING_LEADING, FALSE, TRUE },
  { "KDPM2DiscreteScheduler", 0.00085, 0.012, PAL_SPACING_LINSPACE, FALSE, TRUE },
  { "KDPM2AncestralDiscreteScheduler", 0.00085, 0.012, PAL_SPACING_LINSPACE, FALSE, TRUE },
  { "DPMSolverSDEScheduler", 0.00085, 0.012, PAL_SPACING_LINSPACE, FALSE, TRUE },
  { "HeunDiscreteScheduler", 0.00085, 0.012, PAL_SPACING_LINSPACE, FALSE, TRUE },
  { "FlowMatchEulerDiscreteScheduler", 1e-4, 0.02, PAL_SPACING_TRAILING, FALSE, TRUE },
  { NULL, 1e-4, 0.02, PAL_SPACING_LINSPACE, FALSE, TRUE }   /* all others */
};

static const ClassDefaults *
defaults_of (const gchar *class_name)
{
  const ClassDefaults *row = class_defaults;

  while (row->class_name && g_strcmp0 (row->class_name, class_name) != 0)
    row++;

  return row;
}

/* *index of the value of field among names; kept when the field is absent. */
static gboolean
read_choice (PalJson            *json,
             const gchar        *field,
             const gchar *const *names,
             gint               *index,
             GError            **error)
{
  g_autofree gchar *value = NULL;
  g_autofree gchar *known = NULL;

  if (! pal_json_string (json, field, &value, error))
    return FALSE;

  for (gint i = 0; value && names[i]; i++)
    if (g_str_equal (value, names[i]))
      {
        *index = i;
        return TRUE;
      }

  if (! value)
    return TRUE;

  known = g_strjoinv (", ", (gchar **) names);
  g_set_error (error, PAL_ERROR, PAL_ERROR_UNSUPPORTED,
               "%s: %s \"%s\" is not one of: %s", pal_json_label (json), field, value, known);

  return FALSE;
}

static gboolean
read_choices (PalJson           *json,
              PalScheduleConfig *config,
              GError           **error)
{
  static const gchar *const betas[]    = { "linear", "scaled_linear", "squaredcos_cap_v2", NULL };
  static const gchar *const spacings[] = { "leading", "trailing", "linspace", NULL };
  static const gchar *const meanings[] = { "epsilon", "v_prediction", "sample",
                                           "flow_prediction", "original_sample", NULL };
  static const PalPrediction predictions[] = { PAL_PREDICT_EPSILON, PAL_PREDICT_V,
                                               PAL_PREDICT_SAMPLE, PAL_PREDICT_FLOW,
                                               PAL_PREDICT_SAMPLE };
  gint kind = config->betas, spacing = config->spacing, meaning = 0;

  if (! read_choice (json, "beta_schedule", betas, &kind, error) ||
      ! read_choice (json, "timestep_spacing", spacings, &spacing, error) ||
      ! read_choice (json, "prediction_type", meanings, &meaning, error))
    return FALSE;

  config->betas         = (PalBetas) kind;
  config->spacing       = (PalSpacing) spacing;
  config->spacing_given = pal_json_has (json, "timestep_spacing");
  config->prediction    = predictions[meaning];

  /* The class says how noise is added; a network along its straight lines predicts the
   * velocity unless the file says that it gives the clean sample. */
  config->flow = config->class_name && g_str_has_prefix (config->class_name, "FlowMatch");
  if (config->flow && config->prediction != PAL_PREDICT_SAMPLE)
    config->prediction = PAL_PREDICT_FLOW;
  config->flow |= config->prediction == PAL_PREDICT_FLOW;

  return TRUE;
}

typedef struct
{
  const gchar *field;
  gint        *out;
  gint64       least, most;
} IntField;

static gboolean
read_ints (PalJson           *json,
           PalScheduleConfig *config,
           GError           **error)
{
  const IntField fields[] = {
    { "num_train_timesteps", &config->train_timesteps, 2, MAX_TRAIN_TIMESTEPS },
    { "steps_offset", &config->steps_offset, 0, MAX_TRAIN_TIMESTEPS },
    { "solver_order", &config->solver_order, 1, 3 },
    { "original_inference_steps", &config->original_inference_steps, 1, MAX_TRAIN_TIMESTEPS }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      gint64 value = *fields[i].out;

      if (! pal_json_int (json, fields[i].field, &value, error))
        return FALSE;

      if (value < fields[i].least || value > fields[i].most)
        {
          g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
                       "%s: %s is %" G_GINT64_FORMAT ", it should be from %" G_GINT64_FORMAT
                       " to %" G_GINT64_FORMAT, pal_json_label (json), fields[i].field, value,
                       fields[i].least, fields[i].most);
          return FALSE;
        }
      *fields[i].out = (gint) value;
    }

  return TRUE;
}

static gboolean
read_numbers (PalJson           *json,
              PalScheduleConfig *config,
              GError           **error)
{
  const gchar *shift = pal_json_has (json, "shift") ? "shift" : "flow_shift";

  if (! pal_json_double (json, "beta_start", &config->beta_start, error) ||
      ! pal_json_double (json, "beta_end", &config->beta_end, error) ||
      ! pal_json_double (json, "clip_sample_range", &config->clip_sample_range, error) ||
      ! pal_json_double (json, shift, &config->flow_shift, error) ||
      ! pal_json_bool (json, "set_alpha_to_one", &config->set_alpha_to_one, error) ||
      ! pal_json_bool (json, "clip_sample", &config->clip_sample, error) ||
      ! pal_json_bool (json, "rescale_betas_zero_snr", &config->zero_snr, error) ||
      ! pal_json_bool (json, "lower_order_final", &config->lower_order_final, error))
    return FALSE;

  if (config->flow_shift > 0.0 && config->beta_start >= 0.0 && config->beta_end < 1.0)
    return TRUE;

  g_set_error (error, PAL_ERROR, PAL_ERROR_FORMAT,
               "%s: beta_start %g and beta_end %g should be within 0 and 1, %s %g above 0",
               pal_json_label (json), config->beta_start, config->beta_end, shift,
               config->flow_shift);

  return FALSE;
}

gboolean
pal_schedule_config_read_as (PalJson           *json,
                             const gchar       *class_name,
                             PalScheduleConfig *config,
                             GError           **error)
{
  const ClassDefaults *defaults = defaults_of (class_name);

  *config = (PalScheduleConfig) {
    .train_timesteps          = 1000,
    .beta_start               = defaults->beta_start,
    .beta_end                 = defaults->beta_end,
    .betas                    = PAL_BETAS_LINEAR,
    .spacing                  = defaults->spacing,
    .set_alpha_to_one         = defaults->set_alpha_to_one,
    .clip_sample              = defaults->clip_sample,
    .clip_sample_range        = 1.0,
    .lower_order_final        = TRUE,
    .solver_order             = 2,
    .original_inference_steps = 50,
    .flow_shift               = 1.0,
    .class_name               = g_strdup (class_name),
    .json                     = pal_json_ref (json)
  };

  if (read_choices (json, config, error) &&
      pal_schedule_of_flags (json, &config->schedule, error) &&
      read_ints (json, config, error) &&
      read_numbers (json, config, error))
    return TRUE;

  pal_schedule_config_clear (config);

  return FALSE;
}

gboolean
pal_schedule_config_read (PalJson           *json,
                          PalScheduleConfig *config,
                          GError           **error)
{
  g_autofree gchar *class_name = NULL;

  return pal_json_string (json, "_class_name", &class_name, error) &&
         pal_schedule_config_read_as (json, class_name, config, error);
}

void
pal_schedule_config_clear (PalScheduleConfig *config)
{
  g_clear_pointer (&config->class_name, g_free);
  g_clear_pointer (&config->json, pal_json_unref);
}

void
pal_schedule_config_copy (PalScheduleConfig       *to,
                          const PalScheduleConfig *from)
{
  *to            = *from;
  to->class_name = g_strdup (from->class_name);
  to->json       = from->json ? pal_json_ref (from->json) : NULL;
}
