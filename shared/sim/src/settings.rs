//! Every number of the tool, tissue and alarm models in one place, with its unit and where it comes from.
//!
//! Values marked **(K)** are common teaching or tuning values without a source at hand: a surgeon may change them. Two simulations
//! agree only when their settings do, and a recording names only which tissue models were on: `replay --physics` of one that was made
//! before a number here changed may differ.

mod tissue;
mod tools;

pub use tissue::{TissueModels, TissueSettings};
pub use tools::ToolSettings;

/// The widest caution threshold that a room may set, mm: farther off a tool is not at the operation.
pub const MOST_CAUTION_MM: f64 = 20.0;

/// The narrowest danger threshold that a room may set, mm: with less, a warning would come with the contact instead of before it (K). Nobody
/// switches the alarm off.
pub const LEAST_DANGER_MM: f64 = 0.5;

/// The numbers that the simulation runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What tissues do by themselves.
    pub tissue: TissueSettings,

    /// Distance from a tool's surface to a neural surface at which caution begins, mm. Source: an open laminectomy simulator's default.
    pub caution_mm: f64,
    /// Distance at which danger begins, mm. Same source. Negative distances, a tool inside the dura, are danger too.
    pub danger_mm: f64,
    /// How much farther than its threshold a tool must go before a level ends, mm (K).
    pub alarm_hysteresis_mm: f64,
    /// Widest extra margin that a structure's uncertainty may add to the thresholds, mm (K).
    pub widening_limit_mm: f64,
    /// Approach to a neural surface from which even an unpowered tool is heard, mm/s (K).
    pub fast_approach_mm_per_s: f64,
    /// Bone left over a neural structure from which an active tool's pre-alarm tells it, mm (K): a burr of 3 mm takes that in a stroke or
    /// two.
    pub thin_bone_mm: f64,
    /// How long a tone goes on after its reason ended, ticks (K): a tone that stutters is not understood.
    pub sound_hold_ticks: u32,
    /// Distance beyond a neural surface at which a contact with it ends, mm (K).
    pub contact_release_mm: f64,

    /// Spring between hand and tool, N/mm (K): turns the way that the hand is past the stopped tool into a load.
    pub spring_newton_per_mm: f64,
    /// Most load that a hand can put on a tool, N. Source: peak force of 1.2-2.4 N in robotic laminectomy.
    pub load_limit_newton: f64,
    /// Load from which a stopped tool counts as touching bone, N (K).
    pub bone_contact_newton: f64,
    /// Distance between hand and stopped tool at which the tool is taken up anew where the hand is, mm (K): tracking was lost.
    pub release_mm: f64,
    /// How long a hand without new inputs keeps its trigger, ticks (K). Then spindle and jaw are let go.
    pub stale_input_ticks: u32,
    /// Trigger values below this are a released trigger (K).
    pub trigger_dead_zone: u8,

    /// Spindle speed of a burr with its trigger fully pressed, 1/min. Source: high-speed drills in spine surgery, 60,000.
    pub spindle_rpm: f64,
    /// Share of the spindle's speed that is lost at full load (K): the pitch falls with load.
    pub spindle_droop: f64,
    /// Normal force over tangential cutting force of a burr, without unit (K).
    pub normal_over_tangential: f64,
    /// Energy to cut bone of 0 HU, J/mm³ (K).
    pub bone_joule_per_mm3: f64,
    /// Energy that each Hounsfield unit adds, J/mm³ (K). With 2 N at 60,000/min a 3 mm fluted burr takes 15-20 mm³/s of bone of
    /// 1,200 HU; averages of 9-22 mm³/s are reported over 107 runs of a drilling study.
    pub bone_joule_per_mm3_per_hu: f64,
    /// Energy to cut ligamentum flavum with a burr, J/mm³ (K): it is grazed, not drilled.
    pub flavum_joule_per_mm3: f64,
    /// Density assumed for bone whose case carries none, HU (K): between cancellous (89-226) and cortical bone (700-1,800).
    pub hu_when_unknown: i32,
    /// How much slower a diamond burr takes bone than a fluted one. Source: drilling study, about 2.6.
    pub diamond_slowness: f64,
    /// Cutting energy that may be saved up while it does not yet suffice for the smallest advance, ticks' worth (K).
    pub energy_carry_ticks: f64,
    /// Load under which a burr must have been for its sudden advance to count as a breakthrough, N (K).
    pub breakthrough_newton: f64,
    /// Free advance in one tick that counts as a breakthrough, mm (K).
    pub breakthrough_mm: f64,

    /// Width of a Kerrison's open jaw along its shaft, mm (K): thicker bone does not fit and must be thinned first.
    pub kerrison_opening_mm: f64,
    /// Thickness of a Kerrison's footplate, mm. Source: it intrudes 1.4-1.5 mm into the canal (Lin 2019).
    pub kerrison_footplate_mm: f64,
    /// How much longer than its width a Kerrison's footplate is, mm (K).
    pub kerrison_plate_extra_mm: f64,
    /// Trigger from which a punch or rongeur is closed, or a mallet falls (K).
    pub kerrison_closed: u8,
    /// Trigger at or under which a closed punch or rongeur is open again, or a mallet raised (K).
    pub kerrison_open: u8,

    /// Length of every tool's shaft, mm (K).
    pub shaft_length_mm: f64,
    /// Radius of a burr's shaft, mm (K); never more than 0.6 of the head's radius.
    pub burr_shaft_radius_mm: f64,
    /// Radius of a probe's shaft, mm (K); never more than 0.8 of the ball's radius.
    pub probe_shaft_radius_mm: f64,
    /// Radius of a Kerrison's shaft, mm (K).
    pub kerrison_shaft_radius_mm: f64,
    /// Radius of the shaft of curettes, dissectors, pituitary rongeurs and retractors, mm (K).
    pub hand_shaft_radius_mm: f64,
    /// Radius of the shaft of a Leksell rongeur or osteotome, mm (K).
    pub heavy_shaft_radius_mm: f64,
    /// How far apart a Leksell rongeur's jaws stand when open, mm (K).
    pub leksell_opening_mm: f64,
    /// Length of a Leksell rongeur's cup along its shaft, mm (K).
    pub leksell_cup_mm: f64,
    /// How far below its jaws' ends a Leksell rongeur bites into a flat surface, mm (K).
    pub leksell_dig_mm: f64,
    /// Length of a pituitary rongeur's jaws, mm. Source: catalogue sizes 2 × 10, 3 × 12, 4 × 14 mm, (K) for one length.
    pub pituitary_jaw_mm: f64,
    /// How far apart a pituitary rongeur's jaws stand when open, mm (K).
    pub pituitary_opening_mm: f64,
    /// Length of an angled curette's neck, sideways and along the shaft alike, mm (K).
    pub curette_neck_mm: f64,
    /// Length of a Penfield dissector's blade, mm (K).
    pub penfield_blade_mm: f64,
    /// Thickness of a Penfield dissector's blade, mm (K).
    pub penfield_thick_mm: f64,
    /// Length of a nerve-root retractor's foot, mm (K).
    pub retractor_foot_mm: f64,
    /// Thickness of a nerve-root retractor's foot, mm (K).
    pub retractor_thick_mm: f64,
    /// Length of an osteotome's blade, mm (K).
    pub osteotome_blade_mm: f64,
    /// Thickness of an osteotome's blade, mm (K).
    pub osteotome_thick_mm: f64,
    /// Thickness of an osteotome's edge, mm (K).
    pub osteotome_edge_mm: f64,
    /// What single tools' models run on.
    pub tools: ToolSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tissue: TissueSettings::default(),
            caution_mm: 4.0,
            danger_mm: 2.0,
            alarm_hysteresis_mm: 0.3,
            widening_limit_mm: 4.0,
            fast_approach_mm_per_s: 30.0,
            thin_bone_mm: 2.0,
            sound_hold_ticks: 15,
            contact_release_mm: 0.05,
            spring_newton_per_mm: 0.6,
            load_limit_newton: 2.4,
            bone_contact_newton: 0.03,
            release_mm: 80.0,
            stale_input_ticks: 15,
            trigger_dead_zone: 12,
            spindle_rpm: 60_000.0,
            spindle_droop: 0.25,
            normal_over_tangential: 3.0,
            bone_joule_per_mm3: 0.05,
            bone_joule_per_mm3_per_hu: 0.000_3,
            flavum_joule_per_mm3: 0.12,
            hu_when_unknown: 400,
            diamond_slowness: 2.6,
            energy_carry_ticks: 3.0,
            breakthrough_newton: 0.3,
            breakthrough_mm: 0.6,
            kerrison_opening_mm: 4.0,
            kerrison_footplate_mm: 1.4,
            kerrison_plate_extra_mm: 1.0,
            kerrison_closed: 176,
            kerrison_open: 80,
            shaft_length_mm: 100.0,
            burr_shaft_radius_mm: 1.2,
            probe_shaft_radius_mm: 0.6,
            kerrison_shaft_radius_mm: 1.5,
            hand_shaft_radius_mm: 1.5,
            heavy_shaft_radius_mm: 3.5,
            leksell_opening_mm: 8.0,
            leksell_cup_mm: 8.0,
            leksell_dig_mm: 1.5,
            pituitary_jaw_mm: 12.0,
            pituitary_opening_mm: 4.0,
            curette_neck_mm: 4.0,
            penfield_blade_mm: 10.0,
            penfield_thick_mm: 1.2,
            retractor_foot_mm: 8.0,
            retractor_thick_mm: 1.6,
            osteotome_blade_mm: 30.0,
            osteotome_thick_mm: 1.4,
            osteotome_edge_mm: 0.6,
            tools: ToolSettings::default(),
        }
    }
}

impl Settings {
    /// The defaults with other models of tissues.
    pub fn with_tissues(models: TissueModels) -> Self {
        let mut settings = Self::default();
        settings.set_tissues(models);
        settings
    }

    /// Which models tissues follow.
    pub fn tissues(&self) -> TissueModels {
        TissueModels { answers: self.tissue.answers, yields: self.tissue.yields }
    }

    /// Sets which models tissues follow.
    pub fn set_tissues(&mut self, models: TissueModels) {
        (self.tissue.answers, self.tissue.yields) = (models.answers, models.yields);
    }

    /// By how much a structure's uncertainty widens the alarm's thresholds for it, mm; what is not a number widens by the limit.
    pub fn widening_mm(&self, uncertainty_mm: f32) -> f64 {
        let uncertainty = f64::from(uncertainty_mm);
        if uncertainty.is_nan() { self.widening_limit_mm } else { uncertainty.clamp(0.0, self.widening_limit_mm) }
    }

    /// The same settings with every number put into the range that the models can bear, so that none can make a not-a-number.
    pub fn checked(self) -> Self {
        let within = |value: f64, low: f64, high: f64| if value.is_finite() { value.clamp(low, high) } else { low };
        // What is no number must not switch the alarm off.
        let usual = Self::default();
        let alarm = |value: f64, usual: f64, high: f64| if value.is_finite() { value.clamp(0.0, high) } else { usual };
        let caution_mm = alarm(self.caution_mm, usual.caution_mm, MOST_CAUTION_MM);
        Self {
            tissue: self.tissue.checked(),
            caution_mm,
            danger_mm: alarm(self.danger_mm, usual.danger_mm, caution_mm).min(caution_mm),
            alarm_hysteresis_mm: within(self.alarm_hysteresis_mm, 0.0, 2.0),
            widening_limit_mm: alarm(self.widening_limit_mm, usual.widening_limit_mm, 10.0),
            sound_hold_ticks: self.sound_hold_ticks.max(1),
            fast_approach_mm_per_s: within(self.fast_approach_mm_per_s, 0.0, 10_000.0),
            thin_bone_mm: within(self.thin_bone_mm, 0.0, 20.0),
            contact_release_mm: within(self.contact_release_mm, 0.0, 1.0),
            spring_newton_per_mm: within(self.spring_newton_per_mm, 0.01, 100.0),
            load_limit_newton: within(self.load_limit_newton, 0.1, 100.0),
            bone_contact_newton: within(self.bone_contact_newton, 0.0, 10.0),
            release_mm: within(self.release_mm, 5.0, 500.0),
            spindle_rpm: within(self.spindle_rpm, 0.0, 200_000.0),
            spindle_droop: within(self.spindle_droop, 0.0, 1.0),
            normal_over_tangential: within(self.normal_over_tangential, 0.1, 100.0),
            bone_joule_per_mm3: within(self.bone_joule_per_mm3, 0.001, 100.0),
            bone_joule_per_mm3_per_hu: within(self.bone_joule_per_mm3_per_hu, 0.0, 1.0),
            flavum_joule_per_mm3: within(self.flavum_joule_per_mm3, 0.001, 100.0),
            hu_when_unknown: self.hu_when_unknown.clamp(0, 2_040),
            diamond_slowness: within(self.diamond_slowness, 0.1, 100.0),
            energy_carry_ticks: within(self.energy_carry_ticks, 0.0, 60.0),
            breakthrough_newton: within(self.breakthrough_newton, 0.0, 100.0),
            breakthrough_mm: within(self.breakthrough_mm, 0.1, 100.0),
            kerrison_opening_mm: within(self.kerrison_opening_mm, 0.5, 12.0),
            kerrison_footplate_mm: within(self.kerrison_footplate_mm, 0.4, 4.0),
            kerrison_plate_extra_mm: within(self.kerrison_plate_extra_mm, 0.0, 5.0),
            shaft_length_mm: within(self.shaft_length_mm, 1.0, 300.0),
            burr_shaft_radius_mm: within(self.burr_shaft_radius_mm, 0.1, 3.0),
            probe_shaft_radius_mm: within(self.probe_shaft_radius_mm, 0.1, 3.0),
            kerrison_shaft_radius_mm: within(self.kerrison_shaft_radius_mm, 0.1, 4.0),
            hand_shaft_radius_mm: within(self.hand_shaft_radius_mm, 0.1, 4.0),
            heavy_shaft_radius_mm: within(self.heavy_shaft_radius_mm, 0.1, 4.0),
            leksell_opening_mm: within(self.leksell_opening_mm, 1.0, 20.0),
            leksell_cup_mm: within(self.leksell_cup_mm, 1.0, 20.0),
            leksell_dig_mm: within(self.leksell_dig_mm, 0.0, 5.0),
            pituitary_jaw_mm: within(self.pituitary_jaw_mm, 1.0, 20.0),
            pituitary_opening_mm: within(self.pituitary_opening_mm, 0.5, 12.0),
            curette_neck_mm: within(self.curette_neck_mm, 0.0, 20.0),
            penfield_blade_mm: within(self.penfield_blade_mm, 1.0, 40.0),
            penfield_thick_mm: within(self.penfield_thick_mm, 0.4, 4.0),
            retractor_foot_mm: within(self.retractor_foot_mm, 1.0, 20.0),
            retractor_thick_mm: within(self.retractor_thick_mm, 0.4, 4.0),
            osteotome_blade_mm: within(self.osteotome_blade_mm, 1.0, 60.0),
            osteotome_thick_mm: within(self.osteotome_thick_mm, 0.4, 6.0),
            osteotome_edge_mm: within(self.osteotome_edge_mm, 0.2, 4.0),
            tools: self.tools.checked(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_garbage_is_put_there() {
        assert_eq!(Settings::default().checked(), Settings::default());
        let wild =
            Settings { caution_mm: f64::NAN, spring_newton_per_mm: -1.0, hu_when_unknown: -5, ..Settings::default() }.checked();
        assert_eq!((wild.caution_mm, wild.danger_mm), (4.0, 2.0));
        let mute = Settings { danger_mm: f64::NAN, caution_mm: 1.0, sound_hold_ticks: 0, ..Settings::default() }.checked();
        assert_eq!((mute.caution_mm, mute.danger_mm, mute.sound_hold_ticks), (1.0, 1.0, 1));
        assert!(wild.spring_newton_per_mm > 0.0 && wild.hu_when_unknown == 0);
    }
}
