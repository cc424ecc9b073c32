//! Numbers of the tools' own models beyond shape and cutting energy.

/// The numbers that single tools run on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolSettings {
    /// Radius of the rounded edges of a bite, mm (K).
    pub bite_rounding_mm: f64,
    /// Share of a jaw's, footplate's or edge's face that bone may cover before the jaw does not go in or on (K).
    pub bite_face_share: f64,
    /// Share of a Kerrison's jaw that bone and flavum must fill together for it not to slip off (K).
    pub bite_least_share: f64,
    /// Depth of the space beside a Kerrison's jaw, on its shaft's side, that must be free for the place to count as an edge, mm (K).
    pub edge_depth_mm: f64,

    /// Depth in soft tissue from which a spinning burr grabs, mm (K).
    pub kick_depth_mm: f64,
    /// How far a fluted burr at full speed jumps when it grabs soft tissue, mm (K).
    pub fluted_kick_mm: f64,
    /// The same of a diamond burr, mm (K): it grabs less.
    pub diamond_kick_mm: f64,
    /// Shortest time between two such jumps, ticks (K).
    pub kick_pause_ticks: u32,

    /// Temperature of the patient, °C (K).
    pub body_celsius: f64,
    /// Temperature that bone under a dry fluted burr tends to at the reference speed and load, °C. Source: 141 measured with steel burrs.
    pub fluted_dry_celsius: f64,
    /// The same of a diamond burr, °C. Source: 177 measured.
    pub diamond_dry_celsius: f64,
    /// Speed at which these were measured, 1/min. Source: 45,000.
    pub heat_rpm: f64,
    /// Load that they are taken for, N (K): the lower end of the 1.2-2.4 N peaks of robotic laminectomy.
    pub heat_newton: f64,
    /// Time in which dry bone comes to 1/e of its final temperature, s. From the same source: 47 °C after 10 s on the way to 141 °C.
    pub dry_seconds: f64,
    /// The same under irrigation, s (K): so short that the hottest burr keeps below the 41 °C that 0.5 cm³/min were measured to keep.
    pub wet_seconds: f64,
    /// Temperature above which bone is harmed, °C. Source: 47, the common limit of drilling studies.
    pub harmful_celsius: f64,
    /// Time above it that counts as harm, ticks (K): 10 s.
    pub harmful_ticks: u32,
    /// How far from a burr irrigation still reaches it, mm (K).
    pub irrigation_reach_mm: f64,
    /// Pause in cutting after which a spell of dry drilling has ended, ticks (K).
    pub dry_pause_ticks: u32,

    /// How deep a pituitary rongeur's jaws sink into intact annulus or nucleus before they close, mm (K).
    pub pituitary_sink_mm: f64,
    /// Depth beyond a disc's outline at which the jaw's mark is reached, mm (K): 25-30 in common teaching.
    pub pituitary_mark_mm: f64,

    /// How near bone must be to a curette's cup for it to strip soft tissue along the boundary, mm (K).
    pub curette_boundary_mm: f64,
    /// Way in a tick from which a curette strips, mm (K).
    pub curette_stroke_mm: f64,

    /// Energy of one blow of the mallet, J (K).
    pub mallet_joule: f64,
    /// Force that holds back each millimetre of an osteotome's edge in bone of 0 HU, N/mm (K).
    pub osteotome_newton_per_mm: f64,
    /// What each Hounsfield unit adds to it, N/mm (K): an edge of 10 mm goes some 3 mm a blow in bone of 600 HU.
    pub osteotome_newton_per_mm_per_hu: f64,
    /// The furthest that one blow drives an osteotome, also through nothing, mm (K).
    pub osteotome_advance_mm: f64,

    /// Stiffness of a nerve root or sac against a tool where no patch of theirs is simulated, N/mm (K).
    pub neural_newton_per_mm: f64,
    /// Load on a root by a retractor that is too much, N. Source: radiculitis fell from 18 to 7 % when it was kept under 3.5 N.
    pub retraction_limit_newton: f64,

    /// Steps of the balls that a probe tries, mm. Source: graded probes of 0.5 mm steps.
    pub gauge_step_mm: f64,
    /// The largest ball that it tries, mm (K).
    pub gauge_largest_mm: f64,
    /// How far aside of the probe's way a larger ball may find its own, mm (K).
    pub gauge_aside_mm: f64,

    /// Load from soft tissue or bone at which a tool without a motor shakes the hand most, N (K).
    pub feel_full_newton: f64,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            bite_rounding_mm: 0.2,
            bite_face_share: 0.4,
            bite_least_share: 0.06,
            edge_depth_mm: 1.0,
            kick_depth_mm: 0.25,
            fluted_kick_mm: 1.2,
            diamond_kick_mm: 0.2,
            kick_pause_ticks: 20,
            body_celsius: 37.0,
            fluted_dry_celsius: 141.0,
            diamond_dry_celsius: 177.0,
            heat_rpm: 45_000.0,
            heat_newton: 1.2,
            dry_seconds: 98.9,
            wet_seconds: 1.0,
            harmful_celsius: 47.0,
            harmful_ticks: 600,
            irrigation_reach_mm: 30.0,
            dry_pause_ticks: 30,
            pituitary_sink_mm: 2.5,
            pituitary_mark_mm: 25.0,
            curette_boundary_mm: 0.8,
            curette_stroke_mm: 0.05,
            mallet_joule: 1.0,
            osteotome_newton_per_mm: 10.0,
            osteotome_newton_per_mm_per_hu: 0.04,
            osteotome_advance_mm: 5.0,
            neural_newton_per_mm: 0.5,
            retraction_limit_newton: 3.5,
            gauge_step_mm: 0.5,
            gauge_largest_mm: 8.0,
            gauge_aside_mm: 0.8,
            feel_full_newton: 2.4,
        }
    }
}

impl ToolSettings {
    /// The same with every number in the range that the models can bear.
    pub fn checked(self) -> Self {
        let within = |value: f64, low: f64, high: f64| if value.is_finite() { value.clamp(low, high) } else { low };
        let body_celsius = within(self.body_celsius, 0.0, 45.0);
        Self {
            bite_rounding_mm: within(self.bite_rounding_mm, 0.0, 1.0),
            bite_face_share: within(self.bite_face_share, 0.0, 1.0),
            bite_least_share: within(self.bite_least_share, 0.0, 1.0),
            edge_depth_mm: within(self.edge_depth_mm, 0.1, 5.0),
            kick_depth_mm: within(self.kick_depth_mm, 0.01, 5.0),
            fluted_kick_mm: within(self.fluted_kick_mm, 0.0, 5.0),
            diamond_kick_mm: within(self.diamond_kick_mm, 0.0, 5.0),
            body_celsius,
            fluted_dry_celsius: within(self.fluted_dry_celsius, body_celsius, 1_000.0),
            diamond_dry_celsius: within(self.diamond_dry_celsius, body_celsius, 1_000.0),
            heat_rpm: within(self.heat_rpm, 1.0, 200_000.0),
            heat_newton: within(self.heat_newton, 0.01, 100.0),
            dry_seconds: within(self.dry_seconds, 0.1, 10_000.0),
            wet_seconds: within(self.wet_seconds, 0.1, 10_000.0),
            harmful_celsius: within(self.harmful_celsius, body_celsius, 1_000.0),
            harmful_ticks: self.harmful_ticks.max(1),
            irrigation_reach_mm: within(self.irrigation_reach_mm, 0.0, 500.0),
            pituitary_sink_mm: within(self.pituitary_sink_mm, 0.0, 10.0),
            pituitary_mark_mm: within(self.pituitary_mark_mm, 0.0, 100.0),
            curette_boundary_mm: within(self.curette_boundary_mm, 0.0, 3.0),
            curette_stroke_mm: within(self.curette_stroke_mm, 0.001, 5.0),
            mallet_joule: within(self.mallet_joule, 0.0, 100.0),
            osteotome_newton_per_mm: within(self.osteotome_newton_per_mm, 0.1, 1_000.0),
            osteotome_newton_per_mm_per_hu: within(self.osteotome_newton_per_mm_per_hu, 0.0, 10.0),
            osteotome_advance_mm: within(self.osteotome_advance_mm, 0.1, 20.0),
            neural_newton_per_mm: within(self.neural_newton_per_mm, 0.0, 100.0),
            retraction_limit_newton: within(self.retraction_limit_newton, 0.0, 100.0),
            gauge_step_mm: within(self.gauge_step_mm, 0.1, 5.0),
            gauge_largest_mm: within(self.gauge_largest_mm, 0.1, 10.0),
            gauge_aside_mm: within(self.gauge_aside_mm, 0.0, 3.0),
            feel_full_newton: within(self.feel_full_newton, 0.1, 100.0),
            ..self
        }
    }
}
