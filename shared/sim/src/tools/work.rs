//! One tick of a tool's own model: what it takes besides a burr's sweep, and what it tells.

use spinor_volume::{CutOp, Label};

use crate::alarm::NeuralFields;
use crate::contact::Tissue;
use crate::events::{Event, Holder};
use crate::input::{ToolInput, ToolKind};
use crate::motion::Motion;
use crate::pose::Rotation;
use crate::settings::Settings;
use crate::tool::Shape;
use crate::tools::disc::DiscMemory;
use crate::tools::heat::Heat;
use crate::tools::probe::Gauge;
use crate::tools::retractor::Holds;
use crate::tools::{curette, kerrison, leksell, osteotome, pituitary};
use crate::vector::Vec3;

/// What a model works on in a tick: the tissue, and the tool where its motion brought it.
pub(crate) struct Bench<'a> {
    pub(crate) tissue: Tissue<'a>,
    pub(crate) fields: &'a NeuralFields,
    pub(crate) settings: &'a Settings,
    pub(crate) by: Holder,
    pub(crate) shape: &'a Shape,
    pub(crate) rotation: &'a Rotation,
    /// The tip after the motion, mm.
    pub(crate) tip: Vec3,
    /// The tip before it.
    pub(crate) before: Vec3,
    /// The trigger in force.
    pub(crate) trigger: u8,
    pub(crate) motion: &'a Motion,
    /// Whether irrigation reaches the tip.
    pub(crate) wet: bool,
}

/// What a model does in a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// What it takes.
    pub(crate) ops: Vec<CutOp>,
    /// Whether taking nothing is a refused bite.
    pub(crate) bite: bool,
    /// Whether the tool is powered, closing or struck.
    pub(crate) active: bool,
    /// Where the tool was driven to.
    pub(crate) driven: Option<Vec3>,
    /// How far it was driven through nothing, mm.
    pub(crate) plunge_mm: f64,
}

/// What a tool's model remembers.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Whether jaws have closed and not opened since, or the mallet has fallen and not been raised.
    squeezed: bool,
    heat: Heat,
    disc: DiscMemory,
    gauge: Option<Gauge>,
    holds: Holds,
}

impl Memory {
    /// A tool that is just taken up. Jaws that come closed have to open first.
    pub(crate) fn new(settings: &Settings, input: &ToolInput) -> Self {
        Self {
            squeezed: input.trigger >= settings.kerrison_closed,
            heat: Heat::new(settings),
            disc: DiscMemory::default(),
            gauge: None,
            holds: Holds::default(),
        }
    }

    /// Temperature of the bone under a burr, 1/10 °C.
    pub(crate) fn tenth_celsius(&self) -> i32 {
        self.heat.tenth_celsius()
    }

    /// One tick after the motion.
    pub(crate) fn work(&mut self, bench: &Bench<'_>, events: &mut Vec<Event>) -> Work {
        let pressed = bench.trigger >= bench.settings.trigger_dead_zone;
        match bench.by.tool {
            ToolKind::FlutedBurr | ToolKind::DiamondBurr => {
                self.heat.advance(bench, events);
                if let Some((structure, way_um)) = bench.motion.kick {
                    events.push(Event::Kick { by: bench.by, structure, way_um });
                }
                Work { active: bench.motion.rpm > 0.0, ..Work::default() }
            }
            ToolKind::Kerrison | ToolKind::Kerrison40 => self.close(bench, pressed, events, kerrison::close),
            ToolKind::Leksell => self.close(bench, pressed, events, leksell::close),
            ToolKind::Pituitary => {
                self.disc.advance(bench, events);
                self.close(bench, pressed, events, pituitary::close)
            }
            ToolKind::Curette | ToolKind::AngledCurette => {
                self.disc.advance(bench, events);
                let ops = if pressed { curette::strip(bench) } else { Vec::new() };
                Work { ops, active: pressed, ..Work::default() }
            }
            ToolKind::Osteotome => self.close(bench, false, events, osteotome::blow),
            ToolKind::Probe => {
                self.gauge(bench, pressed, events);
                Work::default()
            }
            ToolKind::Suction | ToolKind::Irrigation | ToolKind::Penfield | ToolKind::Retractor => Work::default(),
        }
    }

    /// Jaws or a mallet: `act` once per squeeze.
    fn close(
        &mut self,
        bench: &Bench<'_>,
        active: bool,
        events: &mut Vec<Event>,
        act: impl Fn(&Bench<'_>, &mut Vec<Event>) -> Work,
    ) -> Work {
        if bench.trigger <= bench.settings.kerrison_open {
            self.squeezed = false;
        } else if bench.trigger >= bench.settings.kerrison_closed && !self.squeezed {
            self.squeezed = true;
            let work = act(bench, events);
            return Work { active: active | work.active, ..work };
        }
        Work { active, ..Work::default() }
    }

    fn gauge(&mut self, bench: &Bench<'_>, pressed: bool, events: &mut Vec<Event>) {
        if pressed {
            self.gauge.get_or_insert_with(|| Gauge::new(bench.settings)).advance(bench);
        } else if let Some(gauge) = self.gauge.take() {
            gauge.finish(bench.by, events);
        }
    }

    /// Load on nerves by a tool where it is now: of a patch that was simulated (`loads`, mN), else of a spring over the depth. Returns
    /// the greatest.
    pub(crate) fn observe(
        &mut self,
        settings: &Settings,
        by: Holder,
        distances: &[(Label, Option<i32>)],
        loads: &[(Label, u32)],
        events: &mut Vec<Event>,
    ) -> u32 {
        self.holds.observe(settings, by, distances, loads, events)
    }

    /// Ends what goes on: the tool is put down.
    pub(crate) fn put_down(&mut self, by: Holder, events: &mut Vec<Event>) {
        self.heat.put_down(by, events);
        if let Some(gauge) = self.gauge.take() {
            gauge.finish(by, events);
        }
        self.holds.put_down(by, events);
    }
}
