package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/vmm/lab"
)

// What `make build guests` makes.
const (
	built       = "../../bin/hfvmm"
	guests      = "../../build/guest"
	guestKernel = "../../build/tools/guest-kernel"
	guestInitrd = "../../build/primary.cpio"
)

// needLab skips a test that runs real machines, unless HFVMM_REQUIRE_LAB says that they must run: on
// this host's KVM or in the lab.
func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("HFVMM_REQUIRE_LAB") == "" {
		t.Skip("set HFVMM_REQUIRE_LAB=1 to run real machines, after `make build guests`")
	}
	for _, path := range []string{built, guests, guestKernel, guestInitrd} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v; run `make build guests`", err)
		}
	}
}

// hfvmm is the command that runs a machine of 64 MiB, for at most four minutes.
func hfvmm(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	needLab(t)
	cmd := exec.CommandContext(t.Context(), built, append([]string{"run", "--mem=64M", "--timeout=4m"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	t.Cleanup(func() { nothingLeft(t, cmd) })
	return cmd
}

// nothingLeft checks that a command that has ended left no temporary file and no process.
func nothingLeft(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	tmp := strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], "TMPDIR=")
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("temporary files: %v, %v", left, err)
	}
	within(t, "every process has ended", func() bool { return len(processesWith(t, cmd.Env[len(cmd.Env)-1])) == 0 })
}

// processesWith returns the processes whose environment has this setting.
func processesWith(t *testing.T, setting string) (pids []string) {
	t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range environments {
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(append([]byte{0}, b...), []byte("\x00"+setting+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// program writes a flat binary of these instructions.
func program(t *testing.T, instructions ...uint32) (path string) {
	t.Helper()
	var b []byte
	for _, i := range instructions {
		b = binary.LittleEndian.AppendUint32(b, i)
	}
	path = filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// psci is the code of a PSCI call without arguments.
func psci(function uint16) []uint32 {
	return []uint32{
		0x52800000 | uint32(function)<<5, // mov w0, #function
		0x72B08000,                       // movk w0, #0x8400, lsl #16
		0xD4000002,                       // hvc #0
		0x14000000,                       // b .
	}
}

const (
	cpuOff      = 2
	systemOff   = 8
	systemReset = 9
)

// typewriter is the code of a primary that sends back what it gets and powers off after a "q".
var typewriter = append([]uint32{
	0xD2A12001, // mov x1, #0x09000000, the PL011
	0x52806024, // mov w4, #0x301
	0xB9003024, // str w4, [x1, #0x30], UARTCR: enable
	0xB9401822, // 1: ldr w2, [x1, #0x18], UARTFR
	0x3727FFE2, // tbnz w2, #4, 1b, receive FIFO empty
	0xB9400023, // ldr w3, [x1], UARTDR
	0xB9000023, // str w3, [x1]
	0x7101C47F, // cmp w3, #'q'
	0x54FFFF61, // b.ne 1b
}, psci(systemOff)...)

func TestServicesPassThroughTheCommand(t *testing.T) {
	for _, c := range []struct {
		primary string
		args    []string
		says    string // on standard error
	}{
		{"echo", []string{"--secondary=" + guests + "/echo.bin,name=parrot"}, "[parrot] echo: "},
		{"preempt", []string{"--secondary=" + guests + "/busy.bin"}, ""},
		{"race", []string{"--cpus=2", "--secondary=" + guests + "/turns.bin"}, ""},
		{"fault", []string{
			"--secondary=" + guests + "/fault.bin,name=f0", "--secondary=" + guests + "/fault.bin,name=f1",
			"--secondary=" + guests + "/fault.bin,name=f2", "--secondary=" + guests + "/fault.bin,name=f3",
			"--secondary=" + guests + "/echo.bin",
		}, "secondary aborted"},
	} {
		t.Run(c.primary, func(t *testing.T) {
			r := finish(t, hfvmm(t, append(c.args, "--abi=spci", "--primary="+guests+"/primary_"+c.primary+".bin")...))
			if r.code != 0 || !strings.HasSuffix(r.stdout, "PASS\r\n") || !strings.Contains(r.stderr, c.says) {
				t.Errorf("exit code %d, stdout:\n%s\nstderr:\n%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

func TestWithoutAPrimaryLinesGoThroughSecondaries(t *testing.T) {
	for _, c := range []struct {
		rule          string
		args          []string
		in, out, says string
		code          int
	}{
		{"each line comes back from an echo, and the end of the input is the end", []string{"echo.bin"}, "hi\nthere\nlast", "hi\nthere\nlast\n", "[echo] echo: ", 0},
		{"a secondary that aborts is named", []string{"fault.bin,name=bad"}, "w\n", "", `hfvmm: secondary "bad" aborted` + "\n", exitFailed},
	} {
		args := []string{"--check-scheduler=strict"}
		for _, s := range c.args {
			args = append(args, "--secondary="+filepath.Join(guests, s))
		}
		cmd := hfvmm(t, args...)
		cmd.Stdin = strings.NewReader(c.in)
		if r := finish(t, cmd); r.code != c.code || r.stdout != c.out || !strings.Contains(r.stderr, c.says) {
			t.Errorf("rule: %s\nexit code %d, stdout %q, stderr:\n%s", c.rule, r.code, r.stdout, r.stderr)
		}
	}
}

// A terminal stays in its line mode: what is typed is echoed, and the end of file is the end.
func TestATerminalGivesLinesWithoutAPrimary(t *testing.T) {
	cmd := hfvmm(t, "--secondary="+guests+"/two.bin,vcpus=2")
	r := inTerminal(t, cmd)
	r.press(t, "helo\x7flo\n")
	r.await(t, "vcpu 1: hello\r\n")
	r.press(t, "\x04")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	r.drain(t)
}

func TestALinuxPrimarySchedulesItsSecondaries(t *testing.T) {
	secondary := func(name string) string { return "--secondary=" + filepath.Join(guests, name+".bin") }
	r := finish(t, hfvmm(t, "--primary", guestKernel, "--initrd", guestInitrd, "--mem=512M", "--check-scheduler=strict",
		"--cmdline=console=ttyAMA0 quiet panic=-1 hftest=echo@2,timer@3,hf_test@2+4+5+6+7*10,fault@8+9+10",
		secondary("echo"), secondary("timer"), secondary("relay"), secondary("relay"), secondary("flood"), secondary("sink"),
		secondary("fault"), secondary("fault"), secondary("fault")))
	for _, job := range []string{"echo", "timer", "hf_test", "fault", "all"} {
		if !regexp.MustCompile(`(?m)^HFTEST ` + job + ` PASS`).MatchString(r.stdout) {
			t.Errorf("job %s did not pass", job)
		}
	}
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

func TestTheExitCodeSaysHowTheMachineEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		code []uint32
		args []string
		want int
		says string // on standard error
	}{
		{"reset", psci(systemReset), nil, exitReset, "hfvmm: the primary asked for a reset\n"},
		{"crash", psci(cpuOff), nil, exitCrash, "hfvmm: the primary crashed: "},
		{"timeout", []uint32{0x14000000}, []string{"--timeout=1s"}, exitTimeout, "hfvmm: stopped after 1s, as --timeout says\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := finish(t, hfvmm(t, append(c.args, "--primary="+program(t, c.code...))...))
			if r.code != c.want || r.stdout != "" || !strings.Contains(r.stderr, c.says) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("exit code %d, want %d; stdout %q, stderr %q", r.code, c.want, r.stdout, r.stderr)
			}
		})
	}
}

func TestAStoppedRunStillReportsOnItsScheduler(t *testing.T) {
	r := finish(t, hfvmm(t, "--abi=spci", "--check-scheduler", "--timeout=1s", "--primary="+program(t, 0x14000000)))
	if r.code != exitTimeout || !strings.HasPrefix(r.stderr, "rule ") || !strings.HasSuffix(r.stderr, "hfvmm: stopped after 1s, as --timeout says\n") {
		t.Errorf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}

func TestPipesCarryTheConsoleBothWays(t *testing.T) {
	cmd := hfvmm(t, "--primary="+program(t, typewriter...))
	all := make([]byte, 0, 256) // each byte but the last command
	for b := range 256 {
		if b != 'q' {
			all = append(all, byte(b))
		}
	}
	want := string(all) + "q"
	cmd.Stdin = strings.NewReader(want)
	if r := finish(t, cmd); r.code != 0 || r.stdout != want {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

func TestASerialSocketCarriesTheConsoleBothWays(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	cmd := hfvmm(t, "--primary="+program(t, typewriter...), "--serial=unix="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var line net.Conn
	within(t, "the socket takes a client", func() (ok bool) {
		var err error
		line, err = net.Dial("unix", socket)
		return err == nil
	})
	defer line.Close()
	if _, err := io.WriteString(line, "over the socket q"); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(line); err != nil || string(got) != "over the socket q" {
		t.Errorf("the socket gives %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// Where the machine runs in the lab, the socket on this side reaches it there.
func TestARunningMachineIsControlledThroughItsSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	cmd := hfvmm(t, "--primary="+guests+"/primary_sdei_storm.bin", "--sdei=primary", "--api-socket="+socket)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, "the socket is there", func() bool {
		_, err := os.Lstat(socket)
		return err == nil
	})
	control := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), built, args...)
		c.Env = append(os.Environ(), socketVariable+"="+socket)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if status := control("status"); !strings.HasPrefix(status, "running\n") || !strings.Contains(status, "primary.0") {
		t.Errorf("status:\n%s", status)
	}
	lines := bufio.NewScanner(stdout)
	until := func(line string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == line {
				return
			}
		}
		t.Fatalf("the console ended without %q", line)
	}
	until("tick")
	control("event", "primary.1", "0x40000001")
	until("event 0x40000001 on 1")
	control("pause")
	if status := control("status"); !strings.HasPrefix(status, "paused\n") {
		t.Errorf("status:\n%s", status)
	}
	control("resume")
	control("power-off")
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestCtrlAXQuitsARealMachine(t *testing.T) {
	cmd := hfvmm(t, "--primary="+program(t, typewriter...))
	r := inTerminal(t, cmd)
	r.awaitRaw(t)
	r.press(t, "hello\x01\x01")
	r.await(t, "hello\x01")
	r.press(t, "\x01x")
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitQuit {
		t.Error(err)
	}
	r.drain(t)
}

func TestNoProcessOutlivesHfvmm(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			cmd := hfvmm(t, "--primary="+program(t, typewriter...))
			stdin, stdout := startPiped(t, cmd)
			if _, err := io.WriteString(stdin, "x"); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil { // the machine runs
				t.Error(err)
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); s == syscall.SIGTERM && code != exitQuit {
				t.Errorf("exit code %d, want %d", code, exitQuit)
			}
		})
	}
}

// In the lab the doctor meets a KVM that has all that hfvmm needs.
func TestTheDoctorFindsNothingMissingInTheLab(t *testing.T) {
	needLab(t)
	if probe, err := probeKVM(); !errors.Is(err, kvmarm.ErrUnsupported) {
		if usable := usableKVM(probe); err == nil && usable == nil {
			t.Skip("this host has KVM, and the lab is for hosts without")
		}
	}
	var stdout, stderr bytes.Buffer
	job := lab.Job{Init: built + "-linux-arm64", Args: []string{"doctor"}, Stdout: &stdout, Stderr: &stderr}
	if err := job.Provide(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, err := lab.Run(t.Context(), job)
	report, _, _ := strings.Cut(stdout.String(), "Emulated host")
	if err != nil || code != 0 || strings.Contains(report, "--") || !strings.Contains(stdout.String(), "hfvmm run uses KVM here.") {
		t.Errorf("exit code %d, error %v, stdout:\n%s\nstderr:\n%s", code, err, stdout.String(), stderr.String())
	}
}
