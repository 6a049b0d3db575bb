//go:build !linux

package bench

func newPreciseAlarm() (alarm, error) { return newTimerAlarm(), nil }
