//go:build linux

package rig

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const userHZ = 100 // ticks a second in /proc, fixed in Linux's interface

// CPUTime returns the user and system time that a process has used, with all of its threads, ended ones too. It reads
// the process's CPU clock: the same sum as utime+stime of /proc/PID/stat, in nanoseconds instead of 10 ms ticks.
func CPUTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED; the encoding is that of clock_getcpuclockid(3)
	ns, err := readClock(uintptr(^pid<<3 | scheduled))
	if err != nil {
		return statTime(pid)
	}
	return time.Duration(ns), nil
}

// statTime returns utime+stime from /proc/PID/stat.
func statTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read cpu time: %w", err)
	}
	return parseStat(b)
}

func parseStat(b []byte) (time.Duration, error) {
	f, err := statFields(b, 13)
	if err != nil {
		return 0, err
	}
	return sumTicks(f[11:13]) // fields 14 and 15 of proc(5)
}

// OthersTime returns the CPU time that all processes have used but the named one and its descendants: ended ones too, once
// they have been waited for. It is read from the kernel's ticks.
func OthersTime(pid int) (time.Duration, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	parent, used := make(map[int]int), make(map[int]time.Duration)
	for _, d := range dirs {
		id, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil || bytes.Contains(b, []byte("(ksoftirqd/")) {
			continue // it may have ended meanwhile
		}
		if parent[id], used[id], err = parseFamily(b); err != nil {
			return 0, err
		}
	}
	return timeOutside(pid, parent, used), nil
}

// timeOutside sums the time of all processes but pid and its descendants. A process whose parent is unknown has none.
func timeOutside(pid int, parent map[int]int, used map[int]time.Duration) (sum time.Duration) {
	for id, d := range used {
		for up := id; up != pid; up = parent[up] {
			if up == 0 {
				sum += d
				break
			}
		}
	}
	return sum
}

// parseFamily returns the parent from /proc/PID/stat, and the time used with that of children that were waited for.
func parseFamily(b []byte) (parent int, used time.Duration, err error) {
	f, err := statFields(b, 15)
	if err != nil {
		return 0, 0, err
	}
	if parent, err = strconv.Atoi(string(f[1])); err != nil { // field 4 of proc(5)
		return 0, 0, fmt.Errorf("read parent of a process: %w", err)
	}
	used, err = sumTicks(f[11:15]) // fields 14 to 17
	return parent, used, err
}

// statFields returns the fields of /proc/PID/stat after the command.
func statFields(b []byte, least int) ([][]byte, error) {
	// The second field is the command in brackets and may hold spaces and brackets itself.
	end := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[end+1:])
	if end < 0 || len(f) < least {
		return nil, fmt.Errorf("read cpu time: stat has %d fields after the command", len(f))
	}
	return f, nil
}

func sumTicks(fields [][]byte) (time.Duration, error) {
	var ticks int64
	for _, s := range fields {
		n, err := strconv.ParseInt(string(s), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read cpu time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / userHZ), nil
}

// ResidentKB returns VmRSS of a process in KiB.
func ResidentKB(pid int) (int64, error) {
	return procField(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
}

// ProportionalKB returns the PSS of a process in KiB: resident memory with shared pages counted by share.
func ProportionalKB(pid int) (int64, error) {
	return procField(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
}

func procField(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("read memory: no %s in %s", name, path)
}

// CoreTime returns how long the named CPUs have been busy since boot, all of them together: user, nice, system and
// stolen time, without interrupts. The kernel samples it at its ticks, so that one second of it is good for about 3 %.
// What is left beside idle time would be exact, but holds the way into and out of idleness too, which is up to a quarter
// of a CPU at 10,000 calls a second and belongs to no process.
func CoreTime(cpus []int) (time.Duration, error) {
	if len(cpus) == 0 {
		return 0, nil
	}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read core time: %w", err)
	}
	return parseCores(string(b), cpus)
}

func parseCores(stat string, cpus []int) (time.Duration, error) {
	want := make(map[string]bool, len(cpus))
	for _, c := range cpus {
		want["cpu"+strconv.Itoa(c)] = true
	}
	var ticks int64
	found := 0
	for line := range strings.Lines(stat) {
		f := strings.Fields(line)
		if len(f) < 9 || !want[f[0]] {
			continue
		}
		found++
		for _, i := range []int{1, 2, 3, 8} { // of: name user nice system idle iowait irq softirq steal
			n, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read core time: %w", err)
			}
			ticks += n
		}
	}
	if found != len(cpus) {
		return 0, fmt.Errorf("read core time: %d of CPUs %v found", found, cpus)
	}
	return time.Duration(ticks) * (time.Second / userHZ), nil
}

// RaiseFiles lifts the limit of open files to the hard limit and returns it.
func RaiseFiles() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read file limit: %w", err)
	}
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("raise file limit to %d: %w", l.Max, err)
	}
	return l.Cur, nil
}
