//! The client in a headset, on the scripted OpenXR runtime and whatever Vulkan there is: the session runs, both eyes are drawn, a
//! scripted hand with a pressed trigger takes bone, the controller vibrates, a lost session comes back, and a runtime without headset or
//! session leaves the desktop running. Reported as skipped where there is no Vulkan driver.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail where they stand")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use spinor_shared::case::{Case, CaseMeta};

/// A Vulkan driver is announced by a file in one of these places.
fn has_vulkan() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some());
    let found = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .iter()
        .any(|dir| std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some()));
    cfg!(target_os = "linux") && (named || found)
}

/// The scripted runtime's library, built when it is not there yet.
fn runtime_library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_runtime).clone()
}

fn build_runtime() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_spinor-client")).parent().unwrap();
    let library = profile.join("libmockxr.so");
    // A build of the whole workspace has made it. By itself it has another feature shape, and builds libraries again.
    if is_current(&library) {
        return library;
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "-p", "spinor-mock-openxr"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.env("CARGO_TARGET_DIR", profile.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "the scripted runtime does not build");
    library
}

/// Whether the scripted runtime is there and no older than its source.
fn is_current(library: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/mock_openxr/src");
    let newest = std::fs::read_dir(source).unwrap().filter_map(|entry| written(&entry.unwrap().path())).max();
    written(library).is_some_and(|built| newest.is_some_and(|newest| built >= newest))
}

/// A run of the client in a folder of its own.
struct Run {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Run {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = runtime_library();
        // In the loader's place: then no loader needs to be installed.
        std::os::unix::fs::symlink(&library, folder.path().join("libopenxr_loader.so")).unwrap();
        let case = Case { patient: spinor_client_core::testing::two_balls(), ct: None, mr: None, meta: CaseMeta::default() };
        std::fs::write(folder.path().join("balls.spinor"), case.encode()).unwrap();
        std::fs::write(folder.path().join("script"), script.replace("OUT", folder.path().to_str().unwrap())).unwrap();
        Self { folder, library }
    }

    /// Runs the client, which ends by itself after `seconds`; a client that does not is ended, and the test says what it waited for.
    fn start(&self, switches: &[(&str, &str)], seconds: u32, waiting_for: &str) -> Output {
        assert!(self.library.exists());
        let file = |name| std::fs::File::create(self.folder.path().join(name)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_spinor-client"))
            .args(["view", "balls.spinor", "--xr", "--seconds", &seconds.to_string()])
            .current_dir(self.folder.path())
            .env("LD_LIBRARY_PATH", self.folder.path())
            .env("MOCKXR_SCRIPT", self.folder.path().join("script"))
            .env("MOCKXR_LOG", self.folder.path().join("log"))
            .env("MOCKXR_SIZE", "256")
            // Script time goes with frames: software rendering may be slower than any clock.
            .env("MOCKXR_CLOCK", "frames")
            .env("MOCKXR_HZ", "6")
            .env("WGPU_BACKEND", "vulkan")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .envs(switches.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let read = |name| std::fs::read(self.folder.path().join(name)).unwrap();
        // Software rendering starts slowly and one frame may take seconds.
        let patience = Instant::now() + Duration::from_secs(u64::from(seconds) + 90);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("waited in vain for {waiting_for}:\n{}\n{}", String::from_utf8_lossy(&read("stderr")), self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Output { status, stdout: read("stdout"), stderr: read("stderr") }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn picture(&self, name: &str) -> image::RgbImage {
        image::open(self.folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.log())).to_rgb8()
    }
}

/// Volume in "removed N mm³" of the client's last line.
fn removed_mm3(output: &Output) -> f64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        text.lines().rev().find_map(|line| line.strip_prefix("removed ")).unwrap_or_else(|| panic!("no figure in\n{text}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

/// Share of pixels that are neither background nor black.
fn lit(picture: &image::RgbImage) -> f64 {
    let lit = picture.pixels().filter(|p| p.0.iter().any(|c| *c > 60)).count();
    lit as f64 / f64::from(picture.width() * picture.height())
}

/// The head leans over the wound; the right hand brings the burr from 3 cm above into the ball of bone, with the trigger pressed from the
/// fourth second on; at the twelfth the session is lost.
const OPERATION: &str = "
0 head 0 1.36 -0.16 -0.4067 0 0 0.9135
0  /user/hand/right/input/grip/pose 0 1.171 -0.297
3  /user/hand/right/input/grip/pose 0 1.150 -0.297
10 /user/hand/right/input/grip/pose 0 1.134 -0.297
0  /user/hand/left/input/grip/pose -0.2 1.2 -0.2
0  /user/hand/right/input/trigger/value 0
4  /user/hand/right/input/trigger/value 0
4.5 /user/hand/right/input/trigger/value 1
11 /user/hand/right/input/trigger/value 1
3  capture OUT/before
11 capture OUT/after
12 state LOSS_PENDING
15 capture OUT/again
16 exit
";

#[test]
fn an_operation_in_the_headset_survives_the_loss_of_its_session() {
    if !has_vulkan() {
        println!("skipped: an_operation_in_the_headset_survives_the_loss_of_its_session: no Vulkan driver");
        return;
    }
    let run = Run::new(OPERATION);
    let output = run.start(&[], 900, "the script's end");
    let (log, errors) = (run.log(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{errors}\n{log}");
    assert!(!log.contains("fault"), "the runtime was called in a wrong order:\n{log}");
    assert_eq!(log.matches("session created").count(), 2, "lost and made anew:\n{log}");
    assert_eq!(log.matches("state FOCUSED").count(), 2, "running again:\n{log}");
    for name in ["before", "after", "again"] {
        let [left, right] = [0, 1].map(|eye| run.picture(&format!("{name}-eye{eye}.png")));
        assert!(lit(&left) > 0.05 && lit(&right) > 0.05, "{name}: {} {}", lit(&left), lit(&right));
        let differing = left.pixels().zip(right.pixels()).filter(|(a, b)| a != b).count();
        assert!(differing > 500, "{name}: both eyes see the same, so there is no depth");
    }
    assert_ne!(run.picture("before-eye0.png"), run.picture("after-eye0.png"));
    let removed = removed_mm3(&output);
    assert!(removed > 20.0, "the burr took {removed} mm³");
    let felt: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("haptic /user/hand/right"))
        .filter_map(|line| line.split("amplitude ").nth(1)?.split(' ').next()?.parse().ok())
        .collect();
    assert!(felt.len() > 5, "the controller did not vibrate:\n{log}");
    assert!(
        felt.iter().copied().fold(0.0, f64::max) > 1.5 * felt.iter().copied().fold(1.0, f64::min),
        "load is not felt: {felt:?}"
    );
    assert!(log.contains("attach profile /interaction_profiles/oculus/touch_controller"));
}

#[test]
fn without_headset_or_session_the_desktop_goes_on() {
    if !has_vulkan() {
        println!("skipped: without_headset_or_session_the_desktop_goes_on: no Vulkan driver");
        return;
    }
    for (switch, said) in [
        ("MOCKXR_NO_INSTANCE", "no OpenXR runtime answers"),
        ("MOCKXR_NO_HEADSET", "no OpenXR runtime answers"),
        ("MOCKXR_NO_SESSION", "refuses a session"),
    ] {
        let run = Run::new("0 head 0 1.6 0\n");
        let output = run.start(&[(switch, "1")], 4, "the end after four seconds at the desktop");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{switch}: {errors}");
        assert!(errors.contains(said), "{switch}: {errors}");
        assert_eq!(removed_mm3(&output), 0.0);
    }
}
