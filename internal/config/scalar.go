package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// number is the form of all numbers: decimal, with single underscores between digits.
var number = regexp.MustCompile(`^[0-9]+(_[0-9]+)*(\.[0-9]+)?$`)

// errNumber and its like end the sentence "key: must be ...".
var (
	errNumber   = errors.New("must be a whole number such as 64 or 4_000_000")
	errFloat    = errors.New("must be a number such as 80 or 0.5")
	errDuration = errors.New("must be a duration such as 250ms, 5s or 10m")
	errSize     = errors.New("must be a size such as 512KiB, 32MiB or a number of bytes")
	errShare    = errors.New("must be a share such as 20% or 0.2")
	errBool     = errors.New("must be true or false")
	errNegative = errors.New("must not be negative")
)

// parseCount reads a whole number that is not negative.
func parseCount(s string) (uint64, error) {
	if strings.HasPrefix(s, "-") && number.MatchString(s[1:]) {
		return 0, errNegative
	}
	if !number.MatchString(s) || strings.Contains(s, ".") {
		return 0, errNumber
	}
	n, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, errors.New("is too large")
	}
	return n, nil
}

// parseFloat reads a number that is not negative.
func parseFloat(s string) (float64, error) {
	if strings.HasPrefix(s, "-") && number.MatchString(s[1:]) {
		return 0, errNegative
	}
	if !number.MatchString(s) {
		return 0, errFloat
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil {
		return 0, errors.New("is too large")
	}
	return f, nil
}

// parseDuration reads Go's form of a duration. 0 needs no unit; nothing else goes without.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && number.MatchString(s):
		return 0, fmt.Errorf("needs a unit, such as %ss or %sms", s, s)
	case err != nil:
		return 0, errDuration
	case d < 0:
		return 0, errNegative
	}
	return d, nil
}

// sizeUnits are the units of sizes, longest first where one is the end of another.
var sizeUnits = []struct {
	name   string
	factor float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
}

// parseSize reads a number of bytes, with or without a unit.
func parseSize(s string) (int64, error) {
	factor, digits := 1.0, s
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			factor, digits = u.factor, strings.TrimRight(rest, " ")
			break
		}
	}
	f, err := parseFloat(digits)
	if errors.Is(err, errFloat) {
		return 0, errSize
	}
	if err != nil {
		return 0, err
	}
	f *= factor
	switch {
	case f != math.Trunc(f):
		return 0, errors.New("is not a whole number of bytes")
	case f >= 1<<62:
		return 0, errors.New("is too large")
	}
	return int64(f), nil
}

// parseShare reads a share from 0 to 1, also in per cent.
func parseShare(s string) (float64, error) {
	digits, percent := strings.CutSuffix(s, "%")
	f, err := parseFloat(digits)
	if errors.Is(err, errFloat) {
		return 0, errShare
	}
	if err != nil {
		return 0, err
	}
	if percent {
		f /= 100
	}
	if f > 1 {
		return 0, errors.New("must not be above 100% (1.0)")
	}
	return f, nil
}

// parseBool reads true or false.
func parseBool(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, errBool
	}
	return s == "true", nil
}

// formatSize writes a size as people would.
func formatSize(n int64) string {
	for _, u := range []struct {
		name   string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// formatDuration writes a duration without the zero units that Go adds.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// formatShare writes a share in per cent.
func formatShare(f float64) string {
	// Rounded to what float64 holds of a percentage: 0.07*100 is not 7.
	p, err := strconv.ParseFloat(strconv.FormatFloat(f*100, 'g', 12, 64), 64)
	if err != nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strconv.FormatFloat(p, 'f', -1, 64) + "%"
}
