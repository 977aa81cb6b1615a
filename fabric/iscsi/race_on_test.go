//go:build race

package iscsi

// raceEnabled tells whether the tests run under the race detector, whose sync.Pool drops
// what it is given at random.
const raceEnabled = true
