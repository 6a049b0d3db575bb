//go:build linux

package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Machine is where a record was made.
type Machine struct {
	CPU        string
	Cores      int
	Kernel     string
	Go         string
	FileLimit  uint64
	Pinned     string
	LoadBefore string // the machine's load averages before the run
}

// ReadMachine describes this machine. Pinned says what runs on which CPU; "" if nothing is pinned.
func ReadMachine(files uint64, pinned string) Machine {
	if pinned == "" {
		pinned = "no"
	}
	return Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: firstLine("/proc/sys/kernel/osrelease"),
		Go: runtime.Version(), FileLimit: files, Pinned: pinned, LoadBefore: firstLine("/proc/loadavg"),
	}
}

// String is the machine on one line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s; pinned: %s; load before: %s", m.CPU, m.Cores, m.Kernel, m.Go, m.Pinned, m.LoadBefore)
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// Commit names the state of the sources in the working directory.
func Commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Build compiles ./cmd/sluice into dir and returns the program's path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "sluice")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "sluice/cmd/sluice").CombinedOutput()
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("build sluice: %w: %s", err, first)
	}
	return path, nil
}

// Save writes a record as JSON to a file named after the program and the time, and returns its name.
func Save(dir, program string, at time.Time, rec any) (string, error) {
	name := filepath.Join(dir, program+"-"+at.Format("20060102-150405")+".json")
	return name, SaveAs(name, rec)
}

// SaveAs writes a record as JSON to a named file.
func SaveAs(name string, rec any) error {
	b, err := json.MarshalIndent(rec, "", " ")
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}
