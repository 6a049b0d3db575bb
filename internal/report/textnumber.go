package report

import (
	"math"
	"strconv"
	"strings"
)

func bytesText(n int64) string { return numText(float64(n)/(1<<30)) + " GiB" }

// missingText stands for a figure that there is not.
const missingText = "–"

func statText(s Stat) string {
	if !s.Has() {
		return missingText
	}
	return numText(s.Mean)
}

// numText is v with three digits that count, but whole between a hundred and a hundred thousand.
func numText(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 999_500:
		return strconv.FormatFloat(v/1e6, 'f', max(0, 2-int(math.Log10(a/.9995e6))), 64) + "M"
	case a >= 99_999.5:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + "k"
	case a >= 99.95:
		return groups(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= .0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// groups puts commas between the thousands of a whole number.
func groups(s string) string {
	sign, digits := "", s
	if strings.HasPrefix(s, "-") {
		sign, digits = "-", s[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func percentText(share float64) string {
	p := share * 100
	switch {
	case p == 0:
		return "0%"
	case p < .095:
		return "<0.1%"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + "%"
}

func moneyStat(s Stat, times float64) string {
	if !s.Has() {
		return missingText
	}
	return moneyText(s.Mean * times)
}

// moneyText is an amount of dollars with three digits that count, and cents where they are more.
func moneyText(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.5:
		return groups(strconv.FormatFloat(v, 'f', 0, 64))
	case v >= .995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	places := min(9, 2-int(math.Floor(math.Log10(v))))
	return strings.TrimRight(strconv.FormatFloat(v, 'f', places, 64), "0")
}
