//! The one binary of tests that look at the program from outside, one module per subject. The
//! attribute is true here anyway; it tells clippy that helpers of tests are tests.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod hostile;
#[cfg(unix)]
#[cfg(test)]
mod kill;
#[cfg(test)]
mod names;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod network;
#[cfg(test)]
mod program;
#[cfg(test)]
mod sample;
