package limit

import "time"

// String returns the dimension's name, which is a metric label.
func (d Dim) String() string {
	switch d {
	case Requests:
		return "requests"
	case Tokens:
		return "tokens"
	case Input:
		return "input_tokens"
	case Output:
		return "output_tokens"
	case Money:
		return "money"
	}
	return "unknown"
}

// String returns the mode's name in the words of the configuration, which is a metric label; "unknown" if it has not been learned.
func (m Mode) String() string {
	switch m {
	case Slices:
		return "seconds"
	case Bucket:
		return "bucket"
	case Fixed:
		return "fixed"
	case Sliding:
		return "sliding"
	}
	return "unknown"
}

// String returns the rule's name in the words of the configuration.
func (c Charge) String() string {
	switch c {
	case ChargeMax:
		return "max_tokens"
	case ChargeCorrected:
		return "corrected"
	case ChargeActual:
		return "actual"
	}
	return "auto"
}

// Period returns the name of the time that a limit is for, which is a metric label.
func Period(per time.Duration) string {
	switch per {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return per.String()
}
