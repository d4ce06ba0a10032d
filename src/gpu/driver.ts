/**
 * Before the first adapter is asked for: environment that the Vulkan loader and Mesa read, and on
 * Linux the question whether a Vulkan driver is there at all. Without one Deno silently takes an
 * OpenGL adapter that is ten times slower and compiles for minutes, so it is never taken for a
 * device.
 */

/** The packages that bring a software Vulkan device, by package manager. */
const INSTALL = {
  apt: "apt-get install -y mesa-vulkan-drivers",
  dnf: "dnf install -y mesa-vulkan-drivers",
  pacman: "pacman -S --noconfirm vulkan-swrast vulkan-icd-loader",
  apk: "apk add mesa-vulkan-swrast vulkan-loader",
} as const;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function granted(name: "env" | "read" | "run" | "write"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

/**
 * Whether some Vulkan driver manifest is installed (Linux); `undefined` where that cannot be told.
 */
export function hasVulkanDriver(): boolean | undefined {
  if (Deno.build.os !== "linux" || !granted("read") || !granted("env")) return undefined;
  const named = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  if (named) return named.split(":").some(exists);
  const data = (Deno.env.get("XDG_DATA_DIRS") || "/usr/local/share:/usr/share").split(":");
  const home = Deno.env.get("HOME");
  const roots = ["/etc", "/usr/local/etc", ...data];
  if (home) roots.push(`${home}/.local/share`);
  for (const root of roots) {
    try {
      for (const entry of Deno.readDirSync(`${root}/vulkan/icd.d`)) {
        if (entry.name.endsWith(".json")) return true;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) continue; // an unreadable folder holds nothing for us
    }
  }
  return false;
}

/** The command that installs a software Vulkan device on this system. */
export function installCommand(): string {
  if (Deno.build.os !== "linux") return "update the graphics driver";
  if (granted("read")) {
    for (
      const [manager, program] of [["dnf", "dnf"], ["pacman", "pacman"], ["apk", "apk"]] as const
    ) {
      if (exists(`/usr/bin/${program}`) || exists(`/sbin/${program}`)) return INSTALL[manager];
    }
  }
  return INSTALL.apt;
}

/**
 * On Linux without a Vulkan driver: as root with apt-get, install one and say so; otherwise do
 * nothing, the device layer will name the command. Command-line programs call this; the library
 * installs nothing.
 */
export async function ensureDriver(say: (line: string) => void): Promise<void> {
  if (hasVulkanDriver() !== false) return;
  if (!granted("run") || Deno.uid() !== 0 || !exists("/usr/bin/apt-get")) return;
  const packages = ["libvulkan1", "mesa-vulkan-drivers"];
  say(`No Vulkan driver here: installing Debian's ${packages.join(" and ")} (software device) …`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (
    const args of [["update", "-qq"], [
      "install",
      "-y",
      "-qq",
      "--no-install-recommends",
      ...packages,
    ]]
  ) {
    const { code, stderr } = await new Deno.Command("apt-get", {
      args,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code !== 0) {
      say(`apt-get ${args[0]} failed (exit ${code}): ${new TextDecoder().decode(stderr).trim()}`);
      return;
    }
  }
  say("Installed. Later runs start at once.");
}

/**
 * Mesa's software device allocates the private memory of each workgroup anew, megabytes where
 * values live across barriers, and the C library maps and unmaps that much each time: measured five
 * times slower than the kernel itself. Having seen one larger block freed, glibc keeps blocks up to
 * that size (the threshold moves by itself, up to 32 MiB). A process that compiled the kernel freed
 * some; one that found it in Mesa's cache on disk did not.
 */
function keepLargeAllocations(): void {
  new ArrayBuffer(31 << 20).transfer(0);
}

/** Most threads that every version of Mesa's software device takes. */
const MOST_THREADS = 16;

/**
 * Threads that Mesa's software device had best compute with: it cuts the workgroups of a dispatch
 * into one equal part for each thread and waits for the last, so that with one thread a core all
 * wait for the core that something else took time from. Measured on two cores in turns, medians of
 * 6: a step of small mode 164 ms with 2 threads, 163 with 3, 139 with 4, 136 with 6; a step of 2 ×
 * 64 points 20 ms with 2 and 4 threads, 25 with 6. Null: as many as it takes by itself.
 */
function softwareThreads(cores: number): number | null {
  return cores < MOST_THREADS ? Math.min(2 * cores, MOST_THREADS) : null;
}

let prepared = false;

/**
 * Set, once and before the first adapter, what must be in the environment by then. Values the user
 * has set stay. Without permission to change the environment nothing is set; the device layer
 * copes.
 */
export function prepareEnvironment(): void {
  if (prepared) return;
  prepared = true;
  if (Deno.build.os !== "linux") return;
  keepLargeAllocations();
  if (!granted("env")) return;
  const set = (key: string, value: string) => {
    if (Deno.env.get(key) === undefined) Deno.env.set(key, value);
  };
  // With the backend named, a missing driver gives null instead of the OpenGL adapter.
  set("DENO_WEBGPU_BACKEND", "vulkan");
  const threads = softwareThreads(navigator.hardwareConcurrency);
  if (threads !== null) set("LP_NUM_THREADS", String(threads));
  // Only silences a line that Mesa's loader prints to stderr.
  set("XDG_RUNTIME_DIR", "/tmp");
  widenVectors(set);
}

/**
 * Whether a processor, by what /proc/cpuinfo says of it, computes 16 numbers at once: the parts of
 * AVX-512 that LLVM uses.
 */
export function computesWide(cpuinfo: string): boolean {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1].split(/\s+/));
  return ["avx512f", "avx512bw", "avx512dq", "avx512vl"].every((flag) => flags.has(flag));
}

/**
 * Mesa's software device computes 8 invocations at once even where the processor has AVX-512,
 * unless it is told. Measured on two Zen 5 cores, time in kernels of a step: full sizes 2.77 s with
 * 256 bits, 2.57 s with 512, though the weight gradients, since rewritten, took twice as long with
 * them; small mode 151 and 125 ms. Of the former the forward kernels 0.90 and 0.70, straight-line
 * backward 0.48 and 0.34, the loss 0.80 and 0.72. Its cache on disk does not tell the widths apart,
 * so the wider code has a folder of its own; where none can be made, nothing is changed.
 */
function widenVectors(set: (key: string, value: string) => void): void {
  if (!granted("read") || !granted("write")) return;
  const get = (name: string) => Deno.env.get(name) || undefined;
  if (get("LP_NATIVE_VECTOR_WIDTH") || get("MESA_SHADER_CACHE_DIR")) return;
  const home = get("HOME");
  const caches = get("XDG_CACHE_HOME") ?? (home && `${home}/.cache`);
  if (!caches?.startsWith("/")) return;
  const folder = `${caches}/dbbd/mesa-512`;
  try {
    if (!computesWide(Deno.readTextFileSync("/proc/cpuinfo"))) return;
    Deno.mkdirSync(folder, { recursive: true });
  } catch {
    return; // not readable or not writable: 256 bits do as well
  }
  set("MESA_SHADER_CACHE_DIR", folder);
  set("LP_NATIVE_VECTOR_WIDTH", "512");
}
