use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Read, Write};
use std::process::{abort, exit};
use std::thread::sleep;
use std::time::Duration;

fn deeper(n: u64) -> u64 {
    let frame = black_box([n; 64]);
    deeper(n + 1) + frame[(n % 64) as usize]
}

fn line() -> String {
    let mut text = String::new();
    stdin().lock().read_line(&mut text).unwrap();
    text.trim().to_string()
}

fn main() {
    match line().as_str() {
        "sum" => {
            let mut text = String::new();
            stdin().read_to_string(&mut text).unwrap();
            let numbers = text.split_whitespace().map(|word| word.parse::<i64>().unwrap());
            println!("{}", numbers.sum::<i64>());
        }
        "bare" => print!("42"),
        "wrong" => println!("41"),
        "exception" => panic!("no good"),
        "exit" => exit(3),
        "signal" => abort(),
        "loop" => loop {
            black_box(0);
        },
        "sleep" => sleep(Duration::from_secs(60)),
        "memory" => {
            let mut held = Vec::new();
            loop {
                held.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        "recursion" => println!("{}", deeper(0)),
        "flood" => loop {
            println!("{}", "x".repeat(1000));
        },
        "early" => exit(0),
        "closed" => {
            extern "C" {
                fn close(descriptor: i32) -> i32;
            }
            unsafe { close(1) };
            println!("42");
        }
        "line" => println!("{}", line().len()),
        "bytes" => stdout().write_all(b"4\xff\xfe2\n").unwrap(),
        "past" => println!("{}", line().parse::<i64>().unwrap() + line().parse::<i64>().unwrap()),
        _ => {}
    }
}
