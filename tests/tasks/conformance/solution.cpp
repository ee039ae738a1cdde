#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

static int deeper(volatile int n) {
    volatile char frame[4096];
    frame[n % 4096] = static_cast<char>(n);
    return deeper(n + 1) + frame[n % 4096];
}

int main() {
    std::string which, line;
    volatile int number = 0;
    int one = 0, other = 0, total = 0;
    std::cin >> which;
    if (which == "sum") {
        while (std::cin >> one) total += one;
        std::cout << total << '\n';
    } else if (which == "bare") {
        std::cout << "42";
    } else if (which == "wrong") {
        std::cout << 41 << '\n';
    } else if (which == "exception") {
        throw std::runtime_error("no good");
    } else if (which == "exit") {
        std::exit(3);
    } else if (which == "signal") {
        raise(SIGKILL);
    } else if (which == "loop") {
        while (true) number = number + 1;
    } else if (which == "sleep") {
        sleep(60);
    } else if (which == "memory") {
        std::vector<std::string> held;
        while (true) held.emplace_back(1 << 20, 'x');
    } else if (which == "recursion") {
        std::cout << deeper(0) << '\n';
    } else if (which == "flood") {
        while (true) std::cout << std::string(1000, 'x') << '\n';
    } else if (which == "early") {
        std::exit(0);
    } else if (which == "closed") {
        close(1);
        std::cout << 42 << std::endl;
    } else if (which == "line") {
        std::cin >> line;
        std::cout << line.size() << '\n';
    } else if (which == "bytes") {
        std::cout << "4\xff\xfe" "2\n";
    } else if (which == "past") {
        std::cin >> one >> other;
        std::cout << one + other << '\n';
    }
}
