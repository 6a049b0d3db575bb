package wire

import "slices"

// AppendChanged appends body, a valid JSON object, with the change's members set, dropped and renamed, and its model left
// out if it says so. All other bytes stay as they are. Model and Usage are not looked at: where a model's name stands is a
// dialect's knowledge.
func AppendChanged(dst, body []byte, c *Change) []byte {
	var sc Scanner
	sc.Reset(body)
	if !sc.Object() {
		return append(dst, body...)
	}
	dst = append(dst, '{')
	first := true
	for {
		member, ok := sc.Member()
		if !ok {
			break
		}
		name := string(member) // valid until the value is read
		to, at := c.nameOf(name), sc.Name()
		value := sc.Value()
		if to == "" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if to == name {
			dst = append(dst, body[at.Start:value.End]...)
			continue
		}
		dst = append(AppendString(dst, to), ':')
		dst = append(dst, value.Of(body)...)
	}
	for i := range c.Set {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(AppendString(dst, c.Set[i].Name), ':')
		dst = append(dst, c.Set[i].Value...)
	}
	return append(dst, '}')
}

// nameOf returns the name that a member of the body gets, "" if it goes.
func (c *Change) nameOf(name string) string {
	if c.NoModel && name == "model" || slices.Contains(c.Drop, name) {
		return ""
	}
	for i := range c.Set {
		if c.Set[i].Name == name {
			return ""
		}
	}
	for i := range c.Rename {
		if c.Rename[i].From == name {
			return c.Rename[i].To
		}
	}
	return name
}
