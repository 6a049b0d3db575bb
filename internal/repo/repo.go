// Package repo holds the rules of this repository, as tests that read its source: which package may import which, where
// third-party clients may appear, what a file may contain. It has no code of its own and nothing imports it.
package repo
