package bench

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"sluice/internal/report"
)

// conditions returns what of this machine may change the figures.
func conditions() report.Conditions {
	c := report.Conditions{
		Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: fileLine("/proc/sys/kernel/osrelease"),
		CPU: procField("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
	if kb, _, ok := strings.Cut(procField("/proc/meminfo", "MemTotal"), " "); ok {
		if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
			c.Memory = n << 10
		}
	}
	c.Host, _ = os.Hostname() // "" is as good as a name
	return c
}

// fileLine returns the first line of a file, "" if there is none.
func fileLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// procField returns the value of the first line "name: value" of a file, "" if there is none.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
