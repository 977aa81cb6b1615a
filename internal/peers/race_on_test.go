//go:build race

package peers

// raceEnabled tells whether the tests run under the race detector.
const raceEnabled = true
