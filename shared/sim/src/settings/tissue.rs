//! Numbers of the tissue models: loose pieces, the pars, dura and roots, disc, bleeding and dust.

/// Which models tissues follow. A recording names them: without them, or with others, the same inputs bring about something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TissueModels {
    /// Whether tissues answer: see [`TissueSettings::answers`].
    pub answers: bool,
    /// Whether dura and roots give way where tissues answer: see [`TissueSettings::yields`].
    pub yields: bool,
}

impl TissueModels {
    /// Tools and cuts alone, as recordings were made that name no models.
    pub const STILL: Self = Self { answers: false, yields: false };
    /// All of them.
    pub const ALL: Self = Self { answers: true, yields: true };
}

/// The numbers that tissues run on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TissueSettings {
    /// Whether tissues answer at all. Off, nothing comes loose, breaks, yields, tears, bleeds or dusts, and the nucleus is not guarded: tools
    /// and cuts alone.
    pub answers: bool,
    /// Loose pieces smaller than this are dust that suction would take: they vanish without becoming a fragment, mm³ (K).
    pub dust_mm3: f64,
    /// How far from a fragment a closing jaw still gets hold of it, mm (K).
    pub grasp_reach_mm: f64,
    /// How far a fragment must be carried from where it lay to be out of the wound, mm (K).
    pub taken_out_mm: f64,

    /// Cross-section of bone that joins the inferior articular process of one side to its vertebra under which the pars breaks once it
    /// is loaded, mm² (K): an intact lumbar pars has some 60-100, an unroofing that leaves 1 mm of it about 8.
    pub pars_area_mm2: f64,
    /// Load of a tool on the vertebra under which a pars that is too thin breaks, N (K).
    pub pars_load_newton: f64,
    /// Bone that must hang below the pars on its side for it to count, mm³ (K): where all of the process was taken nothing is left to break.
    pub pars_process_mm3: f64,

    /// Whether dura and roots give way where tissues answer. Off, as it is by default, they stand still, and everything is measured against
    /// their surfaces at rest.
    pub yields: bool,
    /// Distance between control nodes on dura and roots, mm: with it a patch of 64 nodes is some 20 mm of dural sac.
    pub node_cell_mm: f64,
    /// Stiffness that holds each control node of the dura in its place, N/mm (K): pressing a 3 mm ball 2 mm in then takes some 0.5 N.
    pub dura_newton_per_mm: f64,
    /// The same of a nerve root, N/mm (K): with the sheet's, a retractor of 3 mm draws a root of 4.4 mm aside with about 0.9 N at 3 mm and
    /// 1.4 N at 5 mm, under the 3.5 N to which retraction was limited (Wang 2025). A root that a herniation holds takes more: 7.0 N in the
    /// mean and 9.9 N at most were measured in discectomies (Feltes 2002).
    pub root_newton_per_mm: f64,
    /// Stiffness between neighbouring control nodes of the dura, N/mm (K): spreads a dent over a few millimetres.
    pub sheet_newton_per_mm: f64,
    /// The same of a root, N/mm (K): a cord that is drawn aside as a whole.
    pub root_sheet_newton_per_mm: f64,
    /// Force that holds a node against moving 1 mm in a tick, N/mm (K): with it dura is back in its place within two seconds of release.
    pub drag_newton_per_mm: f64,
    /// Load that tears dura for each millimetre of the tool's radius there, N/mm (K): a wall of 0.31 mm; a fine tip tears it sooner.
    pub tear_newton_per_mm: f64,
    /// How much a tear lengthens in a tick for each time that the load is the one that tears, mm (K).
    pub load_tear_mm: f64,
    /// How much a spinning fluted burr in contact lengthens a tear in a tick, mm (K): it grabs.
    pub fluted_tear_mm: f64,
    /// The same of a diamond burr, mm (K).
    pub diamond_tear_mm: f64,
    /// Tears nearer to each other than this are one, mm (K).
    pub tear_joins_mm: f64,
    /// Length from which a tear of the dural sac leaks CSF, mm (K).
    pub leak_from_mm: f64,

    /// Share of a disc's AP length that is posterior annulus. Source: L4-5 series, 15.6 %.
    pub posterior_annulus: f64,
    /// Share that is anterior annulus. Source: the same series, 20.5 %.
    pub anterior_annulus: f64,
    /// Share of a disc's width that is annulus on each side (K): the mean of posterior and anterior.
    pub lateral_annulus: f64,

    /// Dust that a cubic millimetre of bone makes, 1/1000 of a field that nobody sees through (K): at 15 mm³/s a burr veils in 3 s.
    pub dust_per_mm3: f64,
    /// Blood that a cubic millimetre of cut bone or flavum lets go at once, 1/1000 (K).
    pub blood_per_mm3: f64,
    /// How much it goes on bleeding, 1/1000 a second for each cubic millimetre (K).
    pub ooze_per_mm3: f64,
    /// Time in which a cut surface stops bleeding to 1/e, ticks (K).
    pub clotting_ticks: u32,
    /// How far around its tip suction clears, mm (K).
    pub suction_reach_mm: f64,
    /// How far irrigation washes, mm (K).
    pub irrigation_reach_mm: f64,
    /// Time in which suction clears to 1/e, ticks (K).
    pub suction_ticks: u32,
    /// Time in which irrigation washes dust out to 1/e, ticks (K); blood takes twice as long.
    pub irrigation_ticks: u32,
    /// Veil from which a tool works without being seen, 1/1000 (K).
    pub veiled_permille: u32,
}

impl Default for TissueSettings {
    fn default() -> Self {
        Self {
            answers: true,
            dust_mm3: 2.0,
            grasp_reach_mm: 2.0,
            taken_out_mm: 30.0,
            pars_area_mm2: 15.0,
            pars_load_newton: 0.5,
            pars_process_mm3: 150.0,
            yields: false,
            node_cell_mm: 4.0,
            dura_newton_per_mm: 0.006,
            root_newton_per_mm: 0.01,
            sheet_newton_per_mm: 0.012,
            root_sheet_newton_per_mm: 0.04,
            drag_newton_per_mm: 0.15,
            tear_newton_per_mm: 4.0,
            load_tear_mm: 0.1,
            fluted_tear_mm: 0.25,
            diamond_tear_mm: 0.05,
            tear_joins_mm: 4.0,
            leak_from_mm: 1.0,
            posterior_annulus: 0.156,
            anterior_annulus: 0.205,
            lateral_annulus: 0.18,
            dust_per_mm3: 20.0,
            blood_per_mm3: 3.0,
            ooze_per_mm3: 0.5,
            clotting_ticks: 1_200,
            suction_reach_mm: 12.0,
            irrigation_reach_mm: 15.0,
            suction_ticks: 30,
            irrigation_ticks: 30,
            veiled_permille: 600,
        }
    }
}

impl TissueSettings {
    /// The same settings with every number put into the range that the models can bear.
    pub fn checked(self) -> Self {
        let within = |value: f64, low: f64, high: f64| if value.is_finite() { value.clamp(low, high) } else { low };
        Self {
            answers: self.answers,
            dust_mm3: within(self.dust_mm3, 0.0, 100.0),
            grasp_reach_mm: within(self.grasp_reach_mm, 0.0, 10.0),
            taken_out_mm: within(self.taken_out_mm, 5.0, 200.0),
            pars_area_mm2: within(self.pars_area_mm2, 0.0, 200.0),
            pars_load_newton: within(self.pars_load_newton, 0.0, 100.0),
            pars_process_mm3: within(self.pars_process_mm3, 0.0, 10_000.0),
            yields: self.yields,
            node_cell_mm: within(self.node_cell_mm, 2.0, 10.0),
            dura_newton_per_mm: within(self.dura_newton_per_mm, 0.001, 10.0),
            root_newton_per_mm: within(self.root_newton_per_mm, 0.001, 10.0),
            sheet_newton_per_mm: within(self.sheet_newton_per_mm, 0.0, 10.0),
            root_sheet_newton_per_mm: within(self.root_sheet_newton_per_mm, 0.0, 10.0),
            drag_newton_per_mm: within(self.drag_newton_per_mm, 0.01, 100.0),
            tear_newton_per_mm: within(self.tear_newton_per_mm, 0.01, 100.0),
            load_tear_mm: within(self.load_tear_mm, 0.0, 5.0),
            fluted_tear_mm: within(self.fluted_tear_mm, 0.0, 5.0),
            diamond_tear_mm: within(self.diamond_tear_mm, 0.0, 5.0),
            tear_joins_mm: within(self.tear_joins_mm, 0.0, 20.0),
            leak_from_mm: within(self.leak_from_mm, 0.0, 100.0),
            posterior_annulus: within(self.posterior_annulus, 0.0, 0.45),
            anterior_annulus: within(self.anterior_annulus, 0.0, 0.45),
            lateral_annulus: within(self.lateral_annulus, 0.0, 0.45),
            dust_per_mm3: within(self.dust_per_mm3, 0.0, 1_000.0),
            blood_per_mm3: within(self.blood_per_mm3, 0.0, 1_000.0),
            ooze_per_mm3: within(self.ooze_per_mm3, 0.0, 1_000.0),
            clotting_ticks: self.clotting_ticks.clamp(1, 100_000),
            suction_reach_mm: within(self.suction_reach_mm, 0.0, 50.0),
            irrigation_reach_mm: within(self.irrigation_reach_mm, 0.0, 50.0),
            suction_ticks: self.suction_ticks.clamp(1, 10_000),
            irrigation_ticks: self.irrigation_ticks.clamp(1, 10_000),
            veiled_permille: self.veiled_permille.clamp(1, 1_000),
        }
    }
}
