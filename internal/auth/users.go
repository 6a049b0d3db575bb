package auth

import "strings"

// userMeter is what is known of one end user of a key.
type userMeter struct {
	meter
	name       string
	known      bool       // what the ledger has of the user has been read
	seen       bool       // called since the last look into the ledger
	prev, next *userMeter // by time of the last call
}

// users are the end users of a key that are kept count of. The zero users has none. It is guarded by the key's account.
type users struct {
	byName map[string]*userMeter
	// newest and oldest are the ends of a list by the time of the last call.
	newest, oldest *userMeter
}

// find returns a user and makes it the newest; nil if it is not known.
func (u *users) find(name string) *userMeter {
	m := u.byName[name]
	if m != nil && u.newest != m {
		u.unlink(m)
		u.push(m)
	}
	return m
}

// add makes a user, in the place of the one that has not called for the longest time if there are limit of them already. It returns nil if all of
// those that could be forgotten have calls under way.
func (u *users) add(name string, limit int) *userMeter {
	for len(u.byName) >= limit {
		old := u.oldest
		for tries := 0; old != nil && !old.idle(); old = old.prev {
			if tries++; tries == maxBusyUsers {
				return nil
			}
		}
		if old == nil {
			return nil
		}
		u.unlink(old)
		delete(u.byName, old.name)
	}
	if u.byName == nil {
		u.byName = make(map[string]*userMeter)
	}
	m := &userMeter{name: strings.Clone(name)} // the name may be part of a request
	u.byName[m.name] = m
	u.push(m)
	return m
}

// maxBusyUsers bounds the search for a user who can be forgotten.
const maxBusyUsers = 64

func (u *users) push(m *userMeter) {
	m.prev, m.next = nil, u.newest
	if u.newest != nil {
		u.newest.prev = m
	} else {
		u.oldest = m
	}
	u.newest = m
}

func (u *users) unlink(m *userMeter) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		u.newest = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		u.oldest = m.prev
	}
	m.prev, m.next = nil, nil
}
