import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;

public class Main {
    static int deeper(int n) {
        return deeper(n + 1) + 1;
    }

    public static void main(String[] arguments) throws Exception {
        Scanner in = new Scanner(System.in);
        switch (in.next()) {
            case "sum" -> {
                int total = 0;
                while (in.hasNextInt()) total += in.nextInt();
                System.out.println(total);
            }
            case "bare" -> System.out.print("42");
            case "wrong" -> System.out.println(41);
            case "exception" -> throw new IllegalStateException("no good");
            case "exit" -> System.exit(3);
            case "loop" -> {
                while (true) Thread.onSpinWait();
            }
            case "sleep" -> Thread.sleep(60_000);
            case "memory" -> {
                List<byte[]> held = new ArrayList<>();
                while (true) held.add(new byte[1 << 20]);
            }
            case "recursion" -> System.out.println(deeper(0));
            case "flood" -> {
                while (true) System.out.println("x".repeat(1000));
            }
            case "early" -> System.exit(0);
            case "closed" -> {
                System.out.close();
                System.out.println(42);
            }
            case "line" -> System.out.println(in.next().length());
            case "bytes" -> {
                System.out.write(new byte[] {0x34, (byte) 0xff, (byte) 0xfe, 0x32, 0x0a});
                System.out.flush();
            }
            case "past" -> System.out.println(in.nextInt() + in.nextInt());
        }
    }
}
